"""Models that were made elsewhere: what is checked before anything of them is used, and what they become.

Nothing of a foreign file is loaded as it is. Its description is compared with what is allowed, its numbers
are copied one array at a time, and the file that is kept is written anew. All of that happens in a process of
its own, with limits of memory and time.
"""
