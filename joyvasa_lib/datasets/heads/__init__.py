"""Rendered heads with everything known about them (extra ``synthetic``)."""
