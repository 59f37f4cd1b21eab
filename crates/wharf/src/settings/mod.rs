//! What was typed, made complete: flags over environment over files over conventions.
