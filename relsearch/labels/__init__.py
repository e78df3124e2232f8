"""Labels as training data: augmentation, calibration by a query's human grades, review by people."""
