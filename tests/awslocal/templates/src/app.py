"""Never called: the template around it is only read."""
