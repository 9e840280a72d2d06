"""Tables in files: read by streaming, converted, merged, written by streaming.

    model       what a table is: named columns, batches of cells
    losses      what a conversion could not carry, counted

Readers turn a file into tables, writers turn tables into a file; neither knows the other.
"""
