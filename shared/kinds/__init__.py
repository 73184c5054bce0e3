"""The kinds of job: what each is to do, what it reads, and where it runs."""
