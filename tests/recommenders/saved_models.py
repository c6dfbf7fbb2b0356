"""Answers of exported recommenders in a process that cannot import the package.

Run with a file of requests by the folder of each SavedModel; prints the answers as JSON.
"""

import json
import sys

import tensorflow as tf


def plain(outputs):
    """Outputs of a function as lists."""
    return {name: listed(tensor.numpy()) for name, tensor in outputs.items()}


def listed(array):
    """Array as a list, text decoded."""
    rows = array.tolist()
    return [[each.decode() for each in row] for row in rows] if array.dtype == object else rows


def by_functions(folder, requests):
    """Answers of the functions of the loaded model."""
    served = tf.saved_model.load(folder)
    return {name: plain(getattr(served, name)(**request)) for name, request in requests.items()}


def by_signatures(folder, requests):
    """Answers of its signatures, which are called with tensors."""
    served = tf.saved_model.load(folder)
    found = {}
    for name, request in requests.items():
        types = served.signatures[name].structured_input_signature[1]
        tensors = {key: tf.constant(value, types[key].dtype) for key, value in request.items()}
        found[name] = plain(served.signatures[name](**tensors))
    return found


def by_session(folder, requests):
    """Answers of the signatures in a session, as a server loads and calls them."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def
        found = {}
        for name, each in requests.items():
            fetched = {key: info.name for key, info in signatures[name].outputs.items()}
            fed = {signatures[name].inputs[key].name: value for key, value in each.items()}
            found[name] = {key: listed(value) for key, value in session.run(fetched, fed).items()}
        return found


if __name__ == "__main__":
    sys.modules["sklearn_mf"] = None  # an import of the package fails
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    ways = {"functions": by_functions, "signatures": by_signatures, "session": by_session}
    answers = {
        folder: {way: ways[way](folder, each["requests"]) for way in each["ways"]}
        for folder, each in asked.items()
    }
    print(json.dumps(answers))
