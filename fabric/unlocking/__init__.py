"""Values of encrypted fields, told one by one and on the record."""
