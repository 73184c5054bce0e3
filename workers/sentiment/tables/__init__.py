"""Tables in files: what they are, their rows as Arrow arrays, and scored ones written.

Files from outside are hostile: every error is a WorkError that says where, and what would be right.
Nothing is done row by row in Python, but for rows that are broken and for what JSON needs.
"""
