/* The graph that everything works on. Read this file first.
 *
 *   graph --- values[]   a name, who makes it, who uses it, what the file declares of it, the constant it holds
 *         --- nodes[]    an operator, its inputs and outputs (values), its attributes
 *         --- tensors[]  constant bytes: an initializer's, or a tensor attribute's
 *         --- order[]    the nodes in execution order
 *
 * References are small typed ids; at == 0 is "none", so zeroed memory is valid. Values, nodes and tensors live in stores that never
 * move: a pointer stays good until the graph goes. Everything is read through the functions and structs here; everything is changed
 * through edit.h, which keeps use lists right and records what changed, so that the writer rebuilds nothing it need not.
 * What a pass knows of a value or node (shapes, labels, costs) lives in its own table indexed by id, never here.
 *
 * Ownership: everything belongs to the graph's arena, but for tensor bytes, which are borrowed from the model file's mapping until an
 * edit replaces them. The model file (src/onnx) must outlive the graph.
 * Bodies of If/Loop/Scan are not modelled: a node that has any says so, and what they capture counts as used. */
#ifndef SS_IR_H
#define SS_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/names.h"

typedef struct {
    uint32_t at;
} value_id;
typedef struct {
    uint32_t at;
} node_id;
typedef struct {
    uint32_t at;
} tensor_id;

#define VALUE_NONE ((value_id){0})
#define NODE_NONE ((node_id){0})
#define TENSOR_NONE ((tensor_id){0})

/* ONNX's numbers. */
enum data_type {
    TYPE_UNDEFINED = 0,
    TYPE_FLOAT = 1,
    TYPE_UINT8 = 2,
    TYPE_INT8 = 3,
    TYPE_UINT16 = 4,
    TYPE_INT16 = 5,
    TYPE_INT32 = 6,
    TYPE_INT64 = 7,
    TYPE_STRING = 8,
    TYPE_BOOL = 9,
    TYPE_FLOAT16 = 10,
    TYPE_DOUBLE = 11,
    TYPE_UINT32 = 12,
    TYPE_UINT64 = 13,
    TYPE_COMPLEX64 = 14,
    TYPE_COMPLEX128 = 15,
    TYPE_BFLOAT16 = 16,
    TYPE_FLOAT8E4M3FN = 17,
    TYPE_FLOAT8E4M3FNUZ = 18,
    TYPE_FLOAT8E5M2 = 19,
    TYPE_FLOAT8E5M2FNUZ = 20,
    TYPE_UINT4 = 21,
    TYPE_INT4 = 22,
    TYPE_FLOAT4E2M1 = 23,
    TYPE_FLOAT8E8M0 = 24,
    TYPE_UINT2 = 25,
    TYPE_INT2 = 26,
    TYPE_FLOAT6E2M3 = 27,
    TYPE_FLOAT6E3M2 = 28,
    TYPE_END
};

/* Bits of one element; 0 for STRING, UNDEFINED and what is not known. */
uint32_t type_bits(enum data_type type);
const char *type_name(enum data_type type);

/* One axis of a shape as the file declares it: size >= 0, or -1 with the symbol (or NULL) in param. */
struct dim {
    int64_t size;
    const char *param;
};

struct use {
    node_id node;
    uint32_t input; /* index into the node's inputs, or USE_CAPTURE: a body of the node uses it */
};
#define USE_CAPTURE UINT32_MAX

struct value {
    const char *name; /* interned; unique among the graph's values */
    node_id producer; /* none: a graph input, an initializer, or both */
    uint32_t producer_output;
    tensor_id constant; /* the initializer's, or the Constant node's; none for everything computed */
    ARRAY(struct use) uses;
    bool is_input;    /* of the graph; IR 3 lists initializers there too */
    bool is_output;   /* of the graph */
    bool has_type;    /* the file declares a tensor type */
    bool has_shape;   /* ... with a shape */
    bool is_declared; /* listed under input, output or value_info */
    bool declaration_changed;
    enum data_type type;
    uint32_t rank;
    struct dim *dims;
};

enum attribute_type {
    ATTRIBUTE_UNDEFINED = 0,
    ATTRIBUTE_FLOAT = 1,
    ATTRIBUTE_INT = 2,
    ATTRIBUTE_STRING = 3,
    ATTRIBUTE_TENSOR = 4,
    ATTRIBUTE_GRAPH = 5,
    ATTRIBUTE_FLOATS = 6,
    ATTRIBUTE_INTS = 7,
    ATTRIBUTE_STRINGS = 8,
    ATTRIBUTE_TENSORS = 9,
    ATTRIBUTE_GRAPHS = 10,
    ATTRIBUTE_SPARSE_TENSOR = 11,
    ATTRIBUTE_SPARSE_TENSORS = 12,
    ATTRIBUTE_TYPE_PROTO = 13,
    ATTRIBUTE_TYPE_PROTOS = 14
};

/* The types that no field stands for here (graphs, strings, sparse, types, references) are carried by the origin alone. */
struct attribute {
    const char *name;
    enum attribute_type type;
    uint32_t origin; /* 1 + index in the skeleton's node; 0 = made here */
    bool changed;
    int64_t i;
    float f;
    const char *s; /* s_length bytes, NUL-terminated besides */
    size_t s_length;
    const int64_t *ints; /* count of them */
    const float *floats;
    uint32_t count;
    tensor_id tensor;
};

/* A pair of metadata_props. Keys that start with "superslash." are ours. */
struct property {
    const char *key, *value;
};
typedef ARRAY(struct property) property_array;

struct node {
    uint32_t op;                  /* enum op, set by op_resolve after reading; 0 = opaque */
    const char *op_type, *domain; /* domain "" is ONNX's own */
    const char *name;             /* as in the file: may be "" or shared */
    uint32_t origin;              /* 1 + index in the skeleton's graph; 0 = made here */
    bool removed;
    bool edges_changed;
    bool properties_changed;
    bool has_body;    /* some attribute is a graph */
    value_id *inputs; /* none = an optional input left out */
    value_id *outputs;
    value_id *captures; /* values of this graph that the bodies use */
    uint32_t input_count, output_count, capture_count;
    ARRAY(struct attribute) attributes;
    property_array properties;
};

/* A tensor whose bytes are a selection of another's (cut.h): what pruning leaves, gathered only when written. */
struct cut;

/* bytes: row-major, little-endian; elements of less than a byte packed as ONNX does. NULL where has_bytes is false: the data are
 * elsewhere and missing, or are strings. */
struct tensor {
    const char *name; /* "" for a tensor of an attribute */
    enum data_type type;
    uint32_t rank;
    int64_t *dims;
    int64_t elements; /* their product, checked by the reader */
    bool has_bytes;
    const uint8_t *bytes;
    size_t byte_count;
    const struct cut *cut; /* where set, the contents; bytes is NULL then, dims and elements are after the cut */
    uint32_t origin;       /* 1 + the reader's number of the tensor; 0 = made here */
    bool changed;          /* dims or contents */
};

struct opset {
    const char *domain;
    int64_t version;
};

struct graph {
    struct arena *arena;
    struct names *names;
    const char *name;
    int64_t ir_version;
    ARRAY(struct opset) opsets;
    ARRAY(struct value *) values;   /* [0] is none */
    ARRAY(struct node *) nodes;     /* [0] is none */
    ARRAY(struct tensor *) tensors; /* [0] is none */
    ARRAY(node_id) order;           /* execution order, removed nodes left out */
    ARRAY(value_id) inputs;         /* as listed, IR 3's initializers too */
    ARRAY(value_id) outputs;
    ARRAY(value_id) initializers; /* values with a constant and no producer, in the file's order; new ones at the end */
    property_array properties;    /* of the model */
    bool properties_changed;
    bool order_changed;
    uint64_t edit_count; /* edits so far, properties not counted: whether a pass changed anything */
    struct name_map *value_by_name;
    struct name_map *node_by_name; /* NAME_IS_SHARED where several nodes have the name */
};

#define NAME_IS_SHARED UINT32_MAX

struct graph *graph_new(struct arena *arena);

static inline struct value *graph_value(const struct graph *graph, value_id id) { return graph->values.items[id.at]; }
static inline struct node *graph_node(const struct graph *graph, node_id id) { return graph->nodes.items[id.at]; }
static inline struct tensor *graph_tensor(const struct graph *graph, tensor_id id) { return graph->tensors.items[id.at]; }

/* None where no value has that name. */
value_id graph_find_value(const struct graph *graph, const char *name);

/* ONNX's own opset (domain "" or "ai.onnx"); 1 where the file names none. */
int64_t graph_opset(const struct graph *graph);

/* None beyond the list. */
value_id node_input(const struct node *node, uint32_t index);
value_id node_output(const struct node *node, uint32_t index);

/* The node's name where it has one that no other node has, else its first output's: how reports, plans and schedules call it. */
const char *graph_node_label(const struct graph *graph, node_id id);
node_id graph_find_node(const struct graph *graph, const char *label);

/* NULL where absent. */
const struct attribute *node_attribute(const struct node *node, const char *name);
int64_t node_int(const struct node *node, const char *name, int64_t otherwise);
float node_float(const struct node *node, const char *name, float otherwise);
const char *node_text(const struct node *node, const char *name, const char *otherwise);

/* "node 'conv_3' (Conv)", for messages; in the graph's arena. */
const char *graph_describe_node(const struct graph *graph, node_id id);

#endif
