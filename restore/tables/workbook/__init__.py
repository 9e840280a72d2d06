"""Workbooks (XLSX, ODS): read with bounded memory, written in the same bytes for the same request."""
