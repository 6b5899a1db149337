/* peek, poke and dump. */
#include "monitor.h"

/* The width in bytes that a letter names, or 0. */
static uint64_t width_of(const char *word)
{
    if (word[0] == 0 || word[1] != 0)
        return 0;
    switch (word[0]) {
    case 'b': return 1;
    case 'h': return 2;
    case 'w': return 4;
    case 'd': return 8;
    default: return 0;
    }
}

static uint64_t read(uint64_t address, uint64_t width)
{
    switch (width) {
    case 1: return *(volatile uint8_t *)address;
    case 2: return *(volatile uint16_t *)address;
    case 4: return *(volatile uint32_t *)address;
    default: return *(volatile uint64_t *)address;
    }
}

static void write(uint64_t address, uint64_t width, uint64_t value)
{
    switch (width) {
    case 1: *(volatile uint8_t *)address = (uint8_t)value; break;
    case 2: *(volatile uint16_t *)address = (uint16_t)value; break;
    case 4: *(volatile uint32_t *)address = (uint32_t)value; break;
    default: *(volatile uint64_t *)address = value;
    }
}

bool command_peek(int argc, char **argv)
{
    uint64_t address, count = 1, width = argc > 1 ? width_of(argv[1]) : 0;
    if (argc < 3 || argc > 4 || !width || !parse_number(argv[2], &address)
        || (argc == 4 && !parse_number(argv[3], &count)))
        return false;
    uint64_t in_line = width == 8 ? 4 : 8;
    for (uint64_t i = 0; i < count; i++) {
        /* Read before printing: if it traps, no half line is left. */
        uint64_t value = read(address + i * width, width);
        if (i % in_line == 0)
            print(i ? "\n%016lx:" : "%016lx:", address + i * width);
        print(" ");
        for (uint64_t nibble = 2 * width; nibble--;)
            print("%lx", value >> (4 * nibble) & 15);
    }
    if (count)
        print("\n");
    return true;
}

bool command_poke(int argc, char **argv)
{
    uint64_t address, value, width = argc > 1 ? width_of(argv[1]) : 0;
    if (argc < 4 || !width || !parse_number(argv[2], &address))
        return false;
    for (int i = 3; i < argc; i++)
        if (!parse_number(argv[i], &value) || (width < 8 && value >> (8 * width)))
            return false;
    for (int i = 3; i < argc; i++) {
        parse_number(argv[i], &value);
        write(address, width, value);
        address += width;
    }
    return true;
}

bool command_dump(int argc, char **argv)
{
    uint64_t address, length = 256;
    if (argc < 2 || argc > 3 || !parse_number(argv[1], &address) || (argc == 3 && !parse_number(argv[2], &length)))
        return false;
    for (uint64_t line = 0; line < length; line += 16) {
        uint8_t bytes[16];
        uint64_t n = length - line < 16 ? length - line : 16;
        for (uint64_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)read(address + line + i, 1);
        print("%016lx ", address + line);
        for (uint64_t i = 0; i < 16; i++)
            if (i < n)
                print(i == 8 ? "  %02x" : " %02x", bytes[i]);
            else
                print(i == 8 ? "    " : "   ");
        print("  |");
        for (uint64_t i = 0; i < n; i++)
            print("%c", bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : '.');
        print("|\n");
    }
    return true;
}
