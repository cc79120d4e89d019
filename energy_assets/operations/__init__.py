"""What a person does with a home: bring it up, bring data in, run days, ask why; the command line is a thin skin over it."""
