"""What a server works on: uploads, portraits that are kept, and jobs that make videos."""
