/* Tell which of the libraries this processor can run, and which sources a library was built from. */
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Return the bits of the registers that the system saves when it switches threads. */
static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Return the level of the x86-64 psABI that the processor has, of those that there are libraries for: 1 or 3.
   Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID. */
EXPORTED int64_t jm_level(void) {
    uint32_t a, b, c, d;
    const uint32_t v3 = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
    const uint32_t v3_more = bit_BMI | bit_AVX2 | bit_BMI2;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & v3) != v3)
        return 1;
    if ((saved_registers() & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 1;
    return (b & v3_more) == v3_more ? 3 : 1;
}
#else
EXPORTED int64_t jm_level(void) { return 0; }
#endif

/* Return the digest of the C files, which `build.py` passes: 64 bits of it. */
EXPORTED uint64_t jm_sources(void) { return SOURCES; }
