"""Tables in files: read by streaming, converted, merged, written by streaming.

    model           what a table is: named columns, batches of cells
    loss_report     what a conversion could not carry, counted
    write_options   for whom a table is written, and how
    registry        formats by name: their readers and writers
    convert         one item's file into another format; output_names says what the files are called
    rows_in_period  a table cut to the rows of a period; times reads what people write
    merge           one table out of many files
    type_inference  the narrowest types that hold every cell; schema_cast fits a table to them
    cell_text       every cell as its one text; values turns Arrow columns into Python's values
    row_times       which quarters of an hour rows are about; time_span from when to when
    guards          what a library raises leaves as an error of ours
    readers         a file of a format as tables
    writers         tables as a file of a format
    workbook        what XLSX and ODS share

Readers turn a file into tables, writers turn tables into a file; neither knows the other.
"""
