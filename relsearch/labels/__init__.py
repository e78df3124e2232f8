"""Labels as training data: augmentation, calibration by a query's human grades, review by people.

Other rooms import `augment`, `query_calibration`, `review` (which pairs people should grade, and merging their answers)
and `csv_form` (the form they fill in).
"""
