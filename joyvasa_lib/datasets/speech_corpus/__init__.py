"""Made-up speech with known motion (extra ``synthetic``)."""
