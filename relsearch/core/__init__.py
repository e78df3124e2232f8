"""What every room stands on: types, errors, protocols, tables, settings, the text template, files written whole."""
