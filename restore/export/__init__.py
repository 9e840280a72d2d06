"""Exports for auditors: a BagIt bag (RFC 8493) of items as they were, with everything that somebody else needs to check it.

    bagit.txt  bag-info.txt                 what this is, of whom, when, how much
    data/KIND/…                             the items, as they are or converted
    manifest-sha256.txt                     a checksum for each of them, as sha256sum writes it
    report.json  report.html                who asked for what; each item's history, checksums, losses, problems
    tagmanifest-sha256.txt                  checksums of all but data/

request         who asks, when, for what, as values
selection_text  the selection in a sentence
payload_names   portable names below data/
sink            items on their way into a bag: named, hashed, compared with the manifest's checksum
schemas         columns of tables that are exported as they are
tags            the texts of a bag
counts          how much of which kind, period and format
report          report.json; html_report is the same for people
bag             a plan's items into a bag
folder          a folder that becomes one; write puts a bag into a folder or a ZIP file
"""
