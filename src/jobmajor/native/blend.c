/* The evidence of a model's parts to shares: `scoring.blended` in 32 bits. This file and `scoring` hold one formula
   twice; a property test compares them. Loops over codes take the codes in any order, so that the compiler can use the
   processor's vectors: see the flags in `build.py`. */
#include "kernels.h"

typedef struct { /* the factors of `arrays.Blend` */
    float linear, shift, counts, across, network, within, deeper, within_alone, deeper_alone, counts_share,
        network_share;
} Factors;

typedef struct {
    ARRAY(float) margins; /* (titles, majors) */
    ARRAY(float) likelihoods;
    ARRAY(float) scores; /* (titles, codes), like the one before */
    ARRAY(float) bias;   /* (codes,), of the network's second layer */
    ARRAY(int64_t) majors; /* where each major group's codes begin, and where the last one's end */
} Evidence;

typedef struct { /* for one title */
    ARRAY(float) powers; /* (3, codes) */
    ARRAY(float) scales; /* (3, majors) */
    ARRAY(float) majors;
} Blending;

typedef struct {
    Factors factors;
    Evidence evidence;
    Blending memory;
} Blender;

typedef struct { /* how the evidence splits each major group: exp(counts * likelihood + network * score - largest) */
    float counts, network;
    float share;   /* what a group's powers times its scale sum to */
    float largest; /* at least as large as each exponent, and near the largest */
} Opinion;

#define LOG2E 1.44269504f
#define LN2 0.693359375f
#define LN2_REST -2.12194440e-4f
#define LOWEST -87.0f /* exp of less is no normal number */
#define FAR 1e-30f    /* in a smaller sum of powers, some may have become 0 */
#define SQRT2 1.41421356f
#define TINY 1e-9f /* scoring.TINY */

static inline float float_of(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline int32_t bits_of(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* exp(value) for values up to 88, to 2 parts in 10 million. Source: Moshier, S., Cephes, expf. */
static inline float power_of(float value) {
    value = value > LOWEST ? value : LOWEST;
    float scaled = value * LOG2E + 0.5f;
    int32_t whole = (int32_t)scaled;
    whole -= scaled < (float)whole; /* rounded down; `floorf` is a call on old processors */
    float rest = value - (float)whole * LN2 - (float)whole * LN2_REST;
    float power = 1.9875691500e-4f * rest + 1.3981999507e-3f;
    power = power * rest + 8.3334519073e-3f;
    power = power * rest + 4.1665795894e-2f;
    power = power * rest + 1.6666665459e-1f;
    power = power * rest + 5.0000001201e-1f;
    power = power * rest * rest + rest + 1;
    return power * float_of((whole + 127) << 23);
}

/* log(value) for normal numbers above 0. Source: Moshier, S., Cephes, logf. */
static inline float log_of(float value) {
    int32_t bits = bits_of(value);
    float rest = float_of((bits & 0x7FFFFF) | 0x3F800000);
    bool is_upper = rest > SQRT2;
    float exponent = (float)((bits >> 23) - 127) + (is_upper ? 1.0f : 0.0f);
    rest = (is_upper ? rest * 0.5f : rest) - 1;
    float power = 7.0376836292e-2f * rest - 1.1514610310e-1f;
    power = power * rest + 1.1676998740e-1f;
    power = power * rest - 1.2420140846e-1f;
    power = power * rest + 1.4249322787e-1f;
    power = power * rest - 1.6668057665e-1f;
    power = power * rest + 2.0000714765e-1f;
    power = power * rest - 2.4999993993e-1f;
    power = power * rest + 3.3333331174e-1f;
    power = power * rest * rest * rest + exponent * LN2_REST - 0.5f * rest * rest;
    return rest + power + exponent * LN2;
}

static float largest_of(const float *values, int64_t size) {
    float most = values[0];
    for (int64_t index = 1; index < size; index++)
        most = values[index] > most ? values[index] : most;
    return most;
}

static float sum_of(const float *values, int64_t size) {
    float total = 0;
    for (int64_t index = 0; index < size; index++)
        total += values[index];
    return total;
}

/* Fill in exp(factor * value - shift), and return the sum. */
static float fill_powers(const float *values, int64_t size, float factor, float shift, float *powers) {
    float total = 0;
    for (int64_t index = 0; index < size; index++) {
        powers[index] = power_of(factor * values[index] - shift);
        total += powers[index];
    }
    return total;
}

/* Add `factor` times the log share that each major group has of powers that sum to `total`. */
static void add_log_shares(const float *powers, float total, float factor, const Evidence *evidence, float *logs) {
    const int64_t *starts = evidence->majors.at;
    for (int64_t group = 0; group < evidence->majors.size - 1; group++) {
        float part = sum_of(powers + starts[group], starts[group + 1] - starts[group]);
        logs[group] += factor * log_of(part / total + TINY);
    }
}

/* `scoring.chances`. */
static void fill_chances(const float *margins, const Factors *factors, float *logs, int64_t majors) {
    for (int64_t group = 0; group < majors; group++) {
        float value = factors->linear * margins[group] + factors->shift;
        float low = value < 0 ? value : 0, size = value < 0 ? -value : value;
        logs[group] = low - log_of(1 + power_of(-size));
    }
}

/* Recompute the powers of a group far below the others, relative to its own largest; return their sum. */
static float rescale(const float *likelihoods, const float *scores, Opinion opinion, float *powers, int64_t size) {
    for (int64_t code = 0; code < size; code++)
        powers[code] = opinion.counts * likelihoods[code] + opinion.network * scores[code];
    return fill_powers(powers, size, 1, largest_of(powers, size), powers);
}

static void fill_opinion(const float *restrict likelihoods, const float *restrict scores, Opinion opinion,
                         const Evidence *evidence, float *restrict powers, float *restrict scales) {
    const int64_t *starts = evidence->majors.at;
    int64_t codes = evidence->bias.size;
    for (int64_t code = 0; code < codes; code++)
        powers[code] = power_of(opinion.counts * likelihoods[code] + opinion.network * scores[code] - opinion.largest);
    for (int64_t group = 0; group < evidence->majors.size - 1; group++) {
        int64_t begin = starts[group], size = starts[group + 1] - begin;
        float total = sum_of(powers + begin, size);
        if (total < FAR)
            total = rescale(likelihoods + begin, scores + begin, opinion, powers + begin, size);
        scales[group] = opinion.share / total;
    }
}

/* `scoring.split` times the major groups' shares; the result is the first row of `memory->powers`. */
static void split(const float *likelihoods, const float *scores, const float largest[2], const Evidence *evidence,
                  const Factors *factors, Blending *memory) {
    int64_t codes = evidence->bias.size, majors = evidence->majors.size - 1;
    float *powers = memory->powers.at, *scales = memory->scales.at;
    Opinion opinions[3] = {
        {factors->within, factors->deeper, 1 - factors->counts_share - factors->network_share,
         factors->within * largest[0] + factors->deeper * largest[1]},
        {factors->within_alone, 0, factors->counts_share, factors->within_alone * largest[0]},
        {0, factors->deeper_alone, factors->network_share, factors->deeper_alone * largest[1]},
    };
    for (int which = 0; which < 3; which++)
        fill_opinion(likelihoods, scores, opinions[which], evidence, powers + which * codes, scales + which * majors);
    for (int64_t group = 0; group < majors; group++) {
        float share = memory->majors.at[group];
        float one = scales[group] * share, two = scales[majors + group] * share, three = scales[2 * majors + group] * share;
        for (int64_t code = evidence->majors.at[group]; code < evidence->majors.at[group + 1]; code++)
            powers[code] = one * powers[code] + two * powers[codes + code] + three * powers[2 * codes + code];
    }
}

/* Fill in the shares of the codes that begin at `starts`, where the last of them ends included. */
static void sum_up(const float *detailed, int64_t size, const int64_t *starts, float *shares, int64_t count) {
    if (count == size) {
        memcpy(shares, detailed, (size_t)size * sizeof(float));
        return;
    }
    for (int64_t code = 0; code < count; code++)
        shares[code] = sum_of(detailed + starts[code], starts[code + 1] - starts[code]);
}

static void fill_majors(const float *margins, const float *likelihoods, const float *scores, const float largest[2],
                        const Evidence *evidence, const Factors *factors, Blending *memory) {
    int64_t codes = evidence->bias.size, majors = evidence->majors.size - 1;
    float *logs = memory->majors.at, *powers = memory->powers.at;
    fill_chances(margins, factors, logs, majors);
    float total = fill_powers(likelihoods, codes, factors->across, factors->across * largest[0], powers);
    add_log_shares(powers, total, factors->counts, evidence, logs);
    total = fill_powers(scores, codes, 1, largest[1], powers);
    add_log_shares(powers, total, factors->network, evidence, logs);
    total = fill_powers(logs, majors, 1, largest_of(logs, majors), logs);
    for (int64_t group = 0; group < majors; group++)
        logs[group] /= total;
}

/* `scoring.blended` for `count` titles, summed up to the `ends - 1` codes that begin at `starts`. */
EXPORTED void jm_blend(int64_t count, Blender *blender, const int64_t *starts, int64_t ends, float *shares) {
    const Evidence *evidence = &blender->evidence;
    const Factors *factors = &blender->factors;
    Blending *memory = &blender->memory;
    int64_t codes = evidence->bias.size, majors = evidence->majors.size - 1, asked = ends - 1;
    for (int64_t title = 0; title < count; title++, shares += asked) {
        const float *likelihoods = evidence->likelihoods.at + title * codes;
        float *scores = evidence->scores.at + title * codes;
        for (int64_t code = 0; code < codes; code++)
            scores[code] += evidence->bias.at[code];
        float largest[2] = {largest_of(likelihoods, codes), largest_of(scores, codes)};
        const float *margins = evidence->margins.at + title * majors;
        fill_majors(margins, likelihoods, scores, largest, evidence, factors, memory);
        if (asked == majors) {
            sum_up(memory->majors.at, majors, starts, shares, asked);
        } else {
            split(likelihoods, scores, largest, evidence, factors, memory);
            sum_up(memory->powers.at, codes, starts, shares, asked);
        }
    }
}
