"""Joins consecutive groups of a schedule of layers to fused groups with whatever tile, mode, blocks and residency, by chance.

    joined(model, pick)     the model with such a schedule and a chip that holds everything; its counts are not to be compared

Not every schedule made like this is legal (executor_chip.Illegal): blocks that do not meet, tensors that are needed elsewhere.
"""
import json

import onnx

from machine import FREE, LAYERS, POOLS, RENAMES, Group, Model, properties

JOIN = POOLS | {"Add", "Mul", "Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "BatchNormalization", "Concat"}


def root(model, name, made):
    """The value that a chain of renames begins with, no further back than a value made in the group."""
    while name not in made and name in model.producers and model.producers[name].op_type in RENAMES:
        name = model.producers[name].input[0]
    return name


def can_join(model, group):
    if "tile" in group.entry or ("mapping" not in group.entry and group.nodes[0].op_type not in JOIN):
        return False
    return all(2 <= len(model.shape(o)) <= 4 for node in group.nodes for o in node.output if o)


def named_tensors(model, groups, pick):
    """Inputs of layers, outputs of groups; operands from off chip as often as not."""
    made, names = {o for g in groups for n in g.nodes for o in n.output if o}, []
    for group in groups:
        own = {o for n in group.nodes for o in n.output}
        for k, node in enumerate(group.nodes):
            for name in node.input:
                if not name or name in model.constant or name in own:
                    continue
                streams = name not in made and (k > 0 or name != node.input[0]) and "mapping" in group.entry
                is_free = name in model.producers and model.producers[name].op_type in FREE
                if not streams or (not is_free and pick.random() < 0.5):
                    names.append(root(model, name, made))
        names.append(group.only_output() if "mapping" in group.entry else group.nodes[0].output[0])
    return list(dict.fromkeys(names))


def fuse(model, groups, pick):
    names, nodes = named_tensors(model, groups, pick), [node for group in groups for node in group.nodes]
    plane = (model.shape(names[-1])[2:] + (1, 1))[:2]
    passing = {name: {"passing": pick.randint(1, model.shape(name)[1])} for name in names if pick.random() < 0.12}
    weights = {name: pick.choice(("stays", {"streams": pick.randint(1, 5)}))
               for group in groups for k, (name, node) in enumerate(zip(group.names, group.nodes)) if node.op_type in LAYERS or k == 0}
    return {"nodes": [name for group in groups for name in group.names], "tile": {"oh": pick.randint(1, plane[0]), "ow": pick.randint(1, plane[1])},
            "walk": pick.choice(("right", "down")), "overlap": pick.choice(("recompute", "rows", "full")), "out_blocks": pick.choice((1, 1, 1, 2)),
            "tensors": {name: passing.get(name, "held") for name in names}, "weights": weights}


def joined(onnx_model, pick):
    notes = {key: json.loads(properties(onnx_model)["superslash." + key]) for key in ("schedule", "target")}
    model, entries = Model(onnx_model, notes["target"]), []
    groups = [Group(model, entry) for entry in notes["schedule"]["groups"]]
    while groups:
        run = []
        for group in groups[:pick.choice((1, 2, 2, 3, 4))]:
            if not can_join(model, group):
                break
            run.append(group)
        entries.append(fuse(model, run, pick) if len(run) > 1 else groups[0].entry)
        del groups[:max(1, len(run))]
    notes["schedule"]["groups"] = [dict(entry, id=i) for i, entry in enumerate(entries)]
    notes["target"]["on_chip"] = {"capacity": 1 << 40, "double_buffer": []}
    made = onnx.ModelProto.FromString(onnx_model.SerializeToString())
    for entry in made.metadata_props:
        if entry.key[len("superslash."):] in notes:
            entry.value = json.dumps(notes[entry.key[len("superslash."):]])
    return made
