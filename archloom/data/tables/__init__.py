"""The table format, known answers of public tables, and all of NAS-Bench-101 as a graph.

`format` reads and writes the one format that every search uses, `fidelities` are metrics measured after several numbers
of epochs, `verify` checks known answers, `cell_index` holds the neighbours of every NAS-Bench-101 cell.
"""

from archloom.data.tables.format import Table, TableError, load_table, save_table

__all__ = ["Table", "TableError", "load_table", "save_table"]
