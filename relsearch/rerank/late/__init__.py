"""Late interaction: one encoder reads queries and documents apart, so that documents can be read at indexing time.

A document's score joins two things that the encoder says: the cosine of the pooled vectors, and the mean over the
query's tokens of the largest cosine with any of the document's tokens (MaxSim, Khattab and Zaharia 2020).
"""
