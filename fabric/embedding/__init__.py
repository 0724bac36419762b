"""Text to vectors, whoever computes them: an endpoint that speaks OpenAI's protocol, a model in this process, or none.

Everything here is about text alone: what text an object makes, and where vectors are kept, is `fabric.search`'s.
"""
