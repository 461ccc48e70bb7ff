"""The race: held-out loss against the clock, from one text, of unmask and of what else people train with.

    python -m benchmarks.race TEXTS             the whole race, hours; the same command goes on where it stopped
    python -m benchmarks.race TEXTS --only B,ours --minutes 5 --seeds 2 --size 6x256
    python -m benchmarks.race --tables          docs/performance.md and its pictures, from the legs that are done

Every contestant is a process of its own, one after another, on the same cores, and reads the same text with the same
tokenizer (WordPiece, 16,384) in rows of 128 tokens.

Counted is everything that a user waits for from the start of the process: imports, building the model, training.
Left out, for all alike, is preparation (text, tokenizer, rows) and evaluation, for which the clock stands still.
Asked are the same blanks of the same held-out documents, 15 % of their words by a hash of the text, computed in
float32: 20,000 tokens of text at twenty even marks of the time, 200,000 at the end. A step that has begun is finished.
"""
