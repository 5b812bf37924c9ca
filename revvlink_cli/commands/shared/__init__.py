"""What several commands use: options, node selection, columns and rows."""
