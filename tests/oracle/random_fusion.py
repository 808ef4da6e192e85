"""Joins consecutive groups of a schedule of layers to fused groups with whatever tile, mode, blocks and residency, by chance.

    joined(model, pick)     the model with such a schedule and a chip that holds everything; its counts are not to be compared

Not every schedule made like this is legal (executor_chip.Illegal): blocks that do not meet, tensors that are needed elsewhere.
"""
import json

import onnx

from machine import FREE, LAYERS, POOLS, RENAMES, SHAPE_LIKE, Group, Model, properties

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


def members_of(group):
    """Its nodes, apart at each pool: what a pool takes is a tensor of its own."""
    starts = [k for k, node in enumerate(group.nodes) if k == 0 or node.op_type in POOLS]
    return [group.nodes[a:b] for a, b in zip(starts, starts[1:] + [len(group.nodes)])]


def has_weights(model, nodes):
    """Or constants that may not fold into any."""
    constants = [name for node in nodes for k, name in enumerate(node.input) if name in model.constant and k not in SHAPE_LIKE.get(node.op_type, ())]
    return nodes[0].op_type in LAYERS or any(model.elems(name) > 1 for name in constants)


def named_tensors(model, members, pick):
    """Inputs of layers, outputs of members; operands from off chip as often as not."""
    made, names = {o for nodes in members for n in nodes for o in n.output if o}, []
    for nodes in members:
        own = {o for n in nodes for o in n.output}
        for k, node in enumerate(nodes):
            for name in node.input:
                if not name or name in model.constant or name in own:
                    continue
                streams = name not in made and (k > 0 or name != node.input[0]) and nodes[0].op_type in LAYERS | POOLS
                is_free = name in model.producers and model.producers[name].op_type in FREE
                if not streams or (not is_free and pick.random() < 0.5):
                    names.append(root(model, name, made))
        names.append(nodes[-1].output[0])
    return list(dict.fromkeys(names))


def fuse(model, groups, pick):
    members = [nodes for group in groups for nodes in members_of(group)]
    names, by_node = named_tensors(model, members, pick), {id(n): name for g in groups for n, name in zip(g.nodes, g.names)}
    plane = (model.shape(names[-1])[2:] + (1, 1))[:2]
    passing = {name: {"passing": pick.randint(1, model.shape(name)[1])} for name in names if pick.random() < 0.12}
    weights = {by_node[id(nodes[0])]: pick.choice(("stays", {"streams": pick.randint(1, 5)})) for nodes in members if has_weights(model, nodes)}
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
