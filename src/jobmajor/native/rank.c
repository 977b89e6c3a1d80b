/* Shares to the best codes of each level and the reasons to abstain: what `answers.coded` computes in Python, which a
   property test holds this file to. */
#include "kernels.h"

typedef struct {
    ARRAY(int64_t) bounds;
    ARRAY(int64_t) starts;
    ARRAY(int64_t) sizes;
    ARRAY(int64_t) indices;
    ARRAY(float) thresholds;
} Levels;

typedef struct {
    ARRAY(int32_t) starts;
    ARRAY(int16_t) codes;
    ARRAY(float) shares;
    ARRAY(float) kept;
    ARRAY(uint8_t) named;  /* whether the SOC itself names the title */
    ARRAY(float) weights; /* (columns,), of a mix of occupations; empty without one */
} Listings;

typedef struct {
    ARRAY(int16_t) labels; /* (titles, levels, k) */
    ARRAY(float) scores;   /* likewise */
    ARRAY(uint8_t) reasons; /* (titles, levels) */
    ARRAY(float) shares;    /* (titles, columns), of the finest level; empty if they aren't wanted */
    int64_t k;
} Ranked;

typedef struct { /* how detailed codes reach the codes of a level of another classification: `translate.Links` */
    ARRAY(int64_t) starts; /* where the links of each code begin, and where the last one's end */
    ARRAY(int64_t) columns;
    ARRAY(float) weights;
} Links;

typedef struct { /* which of the listed titles each title is, or -1; and its mark of `judge.c` */
    ARRAY(int64_t) rows;
    ARRAY(uint8_t) marks;
} Listed;

enum { CHUNK = 32 }; /* codes */
enum { UNSURE = 1, STRANGE = 1 }; /* a reason, and the mark that turns into it; higher marks are reasons as they are */

/* Weigh the model's shares with what training lists for a title. */
static void put(float *shares, int64_t columns, const Listings *listings, int64_t row) {
    for (int64_t column = 0; column < columns; column++)
        shares[column] *= listings->kept.at[row];
    for (int64_t listing = listings->starts.at[row]; listing < listings->starts.at[row + 1]; listing++)
        shares[listings->codes.at[listing]] += listings->shares.at[listing];
}

/* Replace the shares of a level's codes with the shares of the codes above them; the last code ends at `size`. */
static void sum_up(float *shares, const int64_t *starts, int64_t count, int64_t size) {
    for (int64_t code = 0; code < count; code++) {
        int64_t end = code + 1 < count ? starts[code + 1] : size;
        float total = shares[starts[code]];
        for (int64_t column = starts[code] + 1; column < end; column++) {
            total += shares[column];
            __asm__ volatile(""); /* most codes have one or two below them: vectors would take longer */
        }
        shares[code] = total;
    }
}

/* Multiply shares by the weights of their codes, and scale them to sum to 1 again: `prior.moved`. */
static void move(float *restrict shares, int64_t columns, const float *restrict weights) {
    float total = 0;
    for (int64_t column = 0; column < columns; column++) {
        shares[column] *= weights[column];
        total += shares[column];
    }
    for (int64_t column = 0; column < columns; column++)
        shares[column] /= total;
}

static inline float largest_of(const float *values, int64_t size) {
    float most = values[0];
    for (int64_t index = 1; index < size; index++)
        most = values[index] > most ? values[index] : most;
    return most;
}

/* Put a code among the k best, behind those with the same share. */
static void insert(float share, int64_t code, int64_t k, int16_t *labels, float *scores) {
    int64_t rank = k - 1;
    for (; rank > 0 && scores[rank - 1] < share; rank--) {
        labels[rank] = labels[rank - 1];
        scores[rank] = scores[rank - 1];
    }
    labels[rank] = (int16_t)code;
    scores[rank] = share;
}

/* Find the k best codes, equal ones in the classification's order; only the first may have a share of 0. Of most codes,
   it is enough to know the largest share in their chunk. */
static void find_best(const float *shares, int64_t count, int64_t k, int16_t *labels, float *scores) {
    for (int64_t rank = 0; rank < k; rank++) {
        labels[rank] = NO_CODE;
        scores[rank] = 0;
    }
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t end = smaller(first + CHUNK, count);
        if (!(largest_of(shares + first, end - first) > scores[k - 1]))
            continue;
        for (int64_t code = first; code < end; code++)
            if (shares[code] > scores[k - 1])
                insert(shares[code], code, k, labels, scores);
    }
    labels[0] = labels[0] < 0 ? 0 : labels[0];
}

/* Fill in the answers of `count` titles; `shares` has shape (titles, columns) and is overwritten. */
EXPORTED void jm_rank(int64_t count, float *shares, int64_t columns, const Listed *listed, const Listings *listings,
                      const Levels *levels, Ranked *into) {
    int64_t asked = levels->indices.size, k = into->k;
    for (int64_t title = 0; title < count; title++, shares += columns) {
        int64_t row = listed->rows.at[title];
        if (row >= 0)
            put(shares, columns, listings, row);
        if (listings->weights.size && (row < 0 || !listings->named.at[row]))
            move(shares, columns, listings->weights.at);
        if (into->shares.size)
            memcpy(into->shares.at + title * columns, shares, (size_t)columns * sizeof(float));
        for (int64_t level = 0; level < asked; level++) {
            int64_t begin = levels->bounds.at[level], codes = levels->bounds.at[level + 1] - begin;
            if (codes < levels->sizes.at[level])
                sum_up(shares, levels->starts.at + begin, codes, levels->sizes.at[level]);
            int64_t at = title * asked + levels->indices.at[level];
            find_best(shares, codes, k, into->labels.at + at * k, into->scores.at + at * k);
            uint8_t reason = row >= 0 ? 0 : listed->marks.at[title];
            if (reason <= STRANGE && into->scores.at[at * k] < levels->thresholds.at[level])
                reason = UNSURE;
            into->reasons.at[at] = reason;
        }
    }
}

/* Map shares, shape (titles, columns), to another classification, and fill in the k best codes of each title; `parts`
   is memory for a title's codes. */
EXPORTED void jm_map(int64_t count, const float *shares, int64_t columns, const Links *links, float *parts,
                     Ranked *into) {
    int64_t codes = links->starts.size - 1, k = into->k;
    for (int64_t title = 0; title < count; title++, shares += columns) {
        for (int64_t code = 0; code < codes; code++) {
            float total = 0;
            for (int64_t link = links->starts.at[code]; link < links->starts.at[code + 1]; link++)
                total += links->weights.at[link] * shares[links->columns.at[link]];
            parts[code] = total;
        }
        find_best(parts, codes, k, into->labels.at + title * k, into->scores.at + title * k);
    }
}
