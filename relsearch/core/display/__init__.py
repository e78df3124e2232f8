"""What people are shown: tables for terminals and notebooks, results that print as tables, progress."""
