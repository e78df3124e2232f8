"""Judges against human grades: agreement, what each part adds, speed."""
