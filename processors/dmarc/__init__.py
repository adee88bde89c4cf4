"""DMARC aggregate reports: RFC 7489 appendix C and RFC 9990 XML to events, each report once."""
