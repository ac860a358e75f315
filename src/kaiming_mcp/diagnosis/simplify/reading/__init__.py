"""What a person pasted, as typed values: the parts of a method, scores, tables, sentences, and what holds for all."""
