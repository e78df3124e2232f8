"""How well labels agree with people: the figures of every judge, baseline and published set of labels."""
