"""What routes and pages have in common: the verbs behind both, without a route of their own."""
