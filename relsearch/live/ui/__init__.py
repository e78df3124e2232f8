"""The local web app: compare two orders, grade pairs, look at runs. Views are thin functions over the rooms below."""

PORT = 8400
