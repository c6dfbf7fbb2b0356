"""Answers of exported recommenders in a process that cannot import the package.

Run with a file of requests by the folder of each SavedModel; prints the answers as JSON.
"""

import json
import sys

sys.modules["sklearn_mf"] = None  # an import of the package fails

import tensorflow as tf  # noqa: E402


def plain(outputs):
    """Outputs of a signature as lists, text decoded."""
    return {name: decoded(tensor) for name, tensor in outputs.items()}


def decoded(value):
    value = value.numpy() if hasattr(value, "numpy") else value
    return text(value)


def arguments_of(signature, requests):
    """Tensors of the types that a signature declares."""
    types = signature.structured_input_signature[1]
    return {name: tf.constant(value, types[name].dtype) for name, value in requests.items()}


def answers(folder, requests):
    """Answers of the functions, of the signatures, and of the signatures in a session, as a server has."""
    served = tf.saved_model.load(folder)
    by_name = served.signatures
    return {
        "functions": {name: plain(getattr(served, name)(**each)) for name, each in requests.items()},
        "signatures": {
            name: plain(by_name[name](**arguments_of(by_name[name], each))) for name, each in requests.items()
        },
        "session": in_session(folder, requests),
    }


def in_session(folder, requests):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def
        found = {}
        for name, each in requests.items():
            fetched = {key: info.name for key, info in signatures[name].outputs.items()}
            fed = {signatures[name].inputs[key].name: value for key, value in each.items()}
            found[name] = {key: text(value) for key, value in session.run(fetched, fed).items()}
        return found


def text(value):
    """Arrays of a session as lists."""
    plain = value.tolist()
    return [[each.decode() for each in row] for row in plain] if value.dtype == object else plain


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    print(json.dumps({folder: answers(folder, requests) for folder, requests in asked.items()}))
