// Args structs.
#pragma once

#include "good.h" // want `a header with an args struct includes nothing`

struct PaddedArgs {
  uint32_t n;
  uint64_t size; // want `PaddedArgs: 4 bytes of padding before size`
  uint8_t code;
  float scale; // want `PaddedArgs: 3 bytes of padding before scale`
};

struct TailArgs { // want `TailArgs: 4 bytes of padding at its end`
  uint64_t size;
  uint32_t n;
};

struct BoolArgs {
  bool on; // want `BoolArgs: a field of type bool`
};
struct SizeArgs {
  size_t n; // want `SizeArgs: a field of type size_t`
};
struct VectorArgs {
  float3 at; // want `VectorArgs: a field of type float3`
};
struct PointerArgs {
  float* p; // want `PointerArgs: a field that is not a type and a name` // want `* p has no address space`
};
struct DimsArgs {
  float v[UNKNOWN]; // want `DimsArgs: the size of v is not a number or a #define of this file`
};
