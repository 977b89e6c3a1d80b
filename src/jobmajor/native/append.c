/* Rows of delimited text, copied as they are with the added cells behind each; `tables/text/append.py` has the same functions
   in Python. */
#include "kernels.h"

typedef struct {
    ARRAY(uint8_t) text;
    ARRAY(int64_t) rows; /* (rows, row_fields): begin, end, begin of the next, … */
    ARRAY(int32_t) cells; /* (columns, rows) */
    ARRAY(int64_t) firsts;
    ARRAY(uint8_t) texts;
    ARRAY(int64_t) text_starts;
    int64_t row_fields;
    int64_t width; /* the columns of the rows */
} Cells;

enum { FIELDS = 4 }; /* of `rows`: how many cells the row has */
enum { DIGITS = 6, MILLION = 1000000 }; /* tables.block */

static int64_t put_number(int32_t millionths, uint8_t separator, uint8_t *out, int64_t at) {
    out[at] = separator;
    if (millionths < 0)
        return at + 1;
    out[at + 1] = (uint8_t)('0' + (millionths >= MILLION));
    out[at + 2] = '.';
    int32_t left = millionths % MILLION;
    for (int digit = 0; digit < DIGITS; digit++, left /= 10)
        out[at + 2 + DIGITS - digit] = (uint8_t)('0' + left % 10);
    return at + 3 + DIGITS;
}

static bool is_formula(uint8_t sign) {
    return sign == '=' || sign == '+' || sign == '-' || sign == '@' || sign == '\t' || sign == '\r';
}

/* Copy a row with an apostrophe before every cell that would be a formula. */
static int64_t put_safe(const uint8_t *text, int64_t begin, int64_t end, uint8_t separator, uint8_t *out, int64_t at) {
    bool is_first = true, is_quoted = false;
    for (int64_t read = begin; read < end;) {
        uint8_t sign = text[read++];
        if (is_first && sign == '"') {
            is_quoted = true;
            out[at++] = sign;
            if (read == end)
                break;
            sign = text[read++];
            if (sign != '"' && is_formula(sign))
                out[at++] = '\'';
        } else if (is_first && sign != separator && is_formula(sign)) {
            out[at++] = '\'';
        }
        if (is_quoted && sign == '"') {
            if (read < end && text[read] == '"') {
                out[at++] = sign;
                read++;
            } else {
                is_quoted = false;
            }
        }
        out[at++] = sign;
        is_first = !is_quoted && sign == separator;
    }
    return at;
}

static int64_t put_cells(const Cells *given, int64_t row, uint8_t separator, uint8_t *out, int64_t at) {
    for (int64_t column = 0; column < given->firsts.size; column++) {
        int32_t value = given->cells.at[column * given->rows.size + row];
        int64_t first = given->firsts.at[column];
        const int64_t *starts = given->text_starts.at + first + value;
        at = first < 0 ? put_number(value, separator, out, at) : copied(given->texts.at, starts[0], starts[1], out, at);
    }
    return at;
}

/* Write each row, its added cells and its line end to `out`; return how many bytes were written. */
EXPORTED int64_t jm_append(const Cells *given, int64_t separator, int64_t is_safe, uint8_t *out) {
    const uint8_t *text = given->text.at;
    int64_t at = 0;
    for (int64_t row = 0; row < given->rows.size; row++) {
        const int64_t *where = given->rows.at + row * given->row_fields;
        if (is_safe)
            at = put_safe(text, where[0], where[1], (uint8_t)separator, out, at);
        else
            at = copied(text, where[0], where[1], out, at);
        for (int64_t missing = given->width - where[FIELDS]; missing > 0; missing--)
            out[at++] = (uint8_t)separator;
        at = put_cells(given, row, (uint8_t)separator, out, at);
        at = copied(text, where[1], where[2], out, at);
    }
    return at;
}
