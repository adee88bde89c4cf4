"""The vocabulary: Avro records, their Python types and codecs."""
