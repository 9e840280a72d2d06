"""WebDAV servers as sources: Nextcloud, document services, whatever speaks RFC 4918.

client            requests over a few connections: patience, limits, redirects refused
multistatus       answers to PROPFIND, read with suspicion
collection        what is in folders
source            folders listed one by one, files read as streams
"""
