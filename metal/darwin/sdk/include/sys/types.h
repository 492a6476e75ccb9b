#pragma once
#include <sdk_types.h>
