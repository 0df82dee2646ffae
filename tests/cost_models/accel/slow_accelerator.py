"""The cost of an accelerator from its definition, layer by layer, in plain Python."""

from math import ceil, prod

from placezoo.datasets.accel.design_space import DATAFLOWS, QUANTITIES


def slow_hardware(space, options):
    """Return the quantities of the hardware; options are places in each decision's row."""
    found = {name: space.base(name) for name in QUANTITIES}
    for decision, option in zip(space.decisions, options, strict=False):
        for name, factor in decision.sets.items():
            found[name] *= decision.values[option] * factor
        for name in decision.divides:
            found[name] /= decision.values[option]
    return found


def _fold_cycles(flow, rows, columns, kept, m, k, n):
    if flow == "os":
        return ceil(m / rows) * ceil(n / columns) * (k + rows + columns - 2)
    stream, across = (m, n) if flow == "ws" else (n, m)
    pieces = 1 if k <= rows else ceil(stream * min(across, columns) / kept)
    return ceil(k / rows) * ceil(across / columns) * (stream + pieces * (2 * rows + columns - 2))


def _sram(tech, size):
    return tech.sram_pj + tech.sram_pj_per_kb * min(size / 1024, tech.sram_bank_kb) if size else 0.0


def slow_layer(layer, hw, tech, flow, kept_inputs=0.0, keeps_outputs=False):
    """Return seconds of computing, bytes over DRAM and joules of a layer."""
    batch, arrays, words = hw["batch"], hw["arrays"], tech.value_bytes
    total = hw["input_sram"] + hw["weight_sram"] + hw["output_sram"]
    input_sram, weight_sram = (total if hw["joined"] else hw[name] for name in ("input_sram", "weight_sram"))
    read, written = batch * (layer.inputs - kept_inputs), 0.0 if keeps_outputs else batch * layer.outputs
    if layer.kind == "elementwise":
        work = batch * max(layer.inputs, layer.outputs)
        cycles = ceil(work / (hw["lanes"] * arrays))
        values = read + layer.weights + written
        energy = work * tech.vector_pj + batch * (layer.inputs + layer.outputs) * _sram(tech, input_sram)
    else:
        m, k, n, groups = batch * layer.rows, layer.inner, layer.columns, layer.batch
        rows, columns = hw["rows"], hw["columns"]
        together = min(groups, arrays)
        team = arrays // together
        rooms = [max(0.5 * size / words, 1.0) for size in (input_sram, weight_sram)]
        accesses = [batch * layer.inputs, layer.weights, batch * layer.outputs]
        if flow == "st-os" and layer.kind == "separable":
            lines = ceil(batch * layer.lines / arrays)
            folds = ceil(lines / rows) * ceil(layer.line_length / columns)
            cycles = ceil(folds * (columns + layer.kernel) / layer.stride)
        else:
            flow = "os" if flow == "st-os" else flow
            kept = int(max(0.5 * hw["output_sram"] / tech.sum_bytes, 1.0))
            shares = [(m, ceil(n / team)), (ceil(m / team), n)]
            times = [_fold_cycles(flow, rows, columns, kept, a, k, b) for a, b in shares]
            better = int(times[1] < times[0])
            cycles = ceil(groups / together) * times[better]
            rooms[0 if better else 1] *= team
            a, b = shares[better]
            reads = {
                "os": (a * k * ceil(b / columns), k * b * ceil(a / rows), a * b),
                "ws": (a * k * ceil(b / columns), k * b, a * b * ceil(k / rows)),
                "is": (a * k, k * b * ceil(a / columns), a * b * ceil(k / rows)),
            }[flow]
            accesses = [groups * team * one for one in reads]
        spare = 0.5 * (hw["l2_sram"] + hw["shared_sram"] / together) / words
        a, b = read / groups, layer.weights / groups
        orders = (a + b * max(1, ceil(a / (rooms[0] + spare))), b + a * max(1, ceil(b / (rooms[1] + spare))))
        values = groups * min(orders) + written
        sums = tech.sums_pj + tech.sums_pj_per_kb * min(hw["output_sram"] / 1024, tech.sram_bank_kb) / columns
        energy = groups * m * k * n * (tech.mac_pj + tech.register_pj)
        energy += accesses[0] * _sram(tech, input_sram) + accesses[1] * _sram(tech, weight_sram) + accesses[2] * sums
    on_chip = batch * kept_inputs + (batch * layer.outputs if keeps_outputs else 0.0)
    energy += values * words * tech.dram_pj_per_byte + values * _sram(tech, hw["l2_sram"])
    energy += (values + on_chip) * _sram(tech, hw["shared_sram"])
    return cycles / tech.clock_hz, values * words, energy * 1e-12


def slow_area(hw, tech):
    """Return the area, mm2."""
    kb = {name: hw[name] / 1024 for name in QUANTITIES if name.endswith("_sram")}
    one = tech.mac_mm2 * (hw["rows"] * hw["columns"] + hw["lanes"]) + tech.edge_mm2 * (hw["rows"] + hw["columns"])
    one += tech.sums_mm2_per_kb * kb["output_sram"]
    one += tech.sram_mm2_per_kb * (kb["input_sram"] + kb["weight_sram"] + kb["l2_sram"])
    others = ("shared_sram", "instruction_sram", "parameter_sram", "activation_sram")
    return hw["arrays"] * one + tech.sram_mm2_per_kb * sum(kb[name] for name in others)


def slow_peak(hw, tech):
    """Return the peak power, W."""
    total = hw["input_sram"] + hw["weight_sram"] + hw["output_sram"]
    inputs, weights = (_sram(tech, total if hw["joined"] else hw[name]) for name in ("input_sram", "weight_sram"))
    sums = tech.sums_pj + tech.sums_pj_per_kb * min(hw["output_sram"] / 1024, tech.sram_bank_kb) / hw["columns"]
    one = hw["rows"] * hw["columns"] * (tech.mac_pj + tech.register_pj) + hw["lanes"] * tech.vector_pj
    one += hw["rows"] * inputs + hw["columns"] * (weights + sums)
    byte = tech.dram_pj_per_byte + (_sram(tech, hw["l2_sram"]) + _sram(tech, hw["shared_sram"])) / tech.value_bytes
    return 1e-12 * (hw["arrays"] * one * tech.clock_hz + byte * hw["bandwidth"])


def slow_cost(networks, space, tech, assignment):
    """Return latency, energy, area and peak power of a whole design; items are in the order of the cost model's."""
    hw = slow_hardware(space, assignment)
    taken = iter(assignment[len(space.decisions) :])
    options = [[next(taken) for _ in network.choices] for network in networks]
    flows, fused = {}, {}
    common = DATAFLOWS[int(space.fixed.get("dataflow", 0))]
    for decision, option in zip(space.decisions, assignment, strict=False):
        common = decision.options[option] if decision.name == "dataflow" else common
    if space.layer_dataflow:
        for number, network in enumerate(networks):
            for place, layer in enumerate(network.layers):
                if layer.kind != "elementwise":
                    flows[number, place] = DATAFLOWS[next(taken)]
    if space.edge_fusion:
        for number, network in enumerate(networks):
            for edge in network.edges.tolist():
                size = network.layers[edge[0]].outputs * hw["batch"] * tech.value_bytes
                fused[number, *edge] = next(taken) == 1 and size <= hw["shared_sram"] / 2
    latency, energy = [], []
    for number, network in enumerate(networks):
        seconds = joules = 0.0
        for place, layer in enumerate(network.layers):
            if any(options[number][choice] != option for choice, option in layer.when):
                continue
            into = [a for a, b in network.edges.tolist() if b == place and fused.get((number, a, b))]
            out = [fused.get((number, a, b), False) for a, b in network.edges.tolist() if a == place]
            kept = min(sum(network.layers[a].outputs for a in into), layer.inputs)
            flow = flows.get((number, place), common)
            computing, moved, spent = slow_layer(layer, hw, tech, flow, kept, bool(out) and all(out))
            seconds += max(computing, moved / hw["bandwidth"])
            joules += spent
        latency.append(seconds)
        energy.append(joules)
    mean = [prod(values) ** (1 / len(values)) for values in (latency, energy)]
    return *mean, slow_area(hw, tech), slow_peak(hw, tech)
