/* The Mandelbrot set in text, in double precision. */
#include "monitor.h"

enum { COLUMNS = 78, ROWS = 24, ITERATIONS = 1000 };

/* Steps that the point c needs to leave the circle of radius 2, at most ITERATIONS. */
static int escape_time(double cr, double ci)
{
    double zr = 0, zi = 0;
    int n = 0;
    while (n < ITERATIONS && zr * zr + zi * zi <= 4) {
        double next = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = next;
        n++;
    }
    return n;
}

bool command_mandel(int argc, char **argv)
{
    static const char shades[] = " .,:;-~=+*%#&@";
    uint64_t zoom = 0;
    if (argc > 2 || (argc == 2 && (!parse_number(argv[1], &zoom) || zoom > 40)))
        return false;
    /* The whole set is centred at -0.7; zooming goes to a spiral in the valley of the seahorses. */
    double centre_r = zoom ? -0.743643887037151 : -0.7;
    double centre_i = zoom ? 0.131825904205330 : 0;
    double width = 3.2 / (double)(1ul << zoom);
    double step = width / COLUMNS;
    for (int row = 0; row < ROWS; row++) {
        for (int column = 0; column < COLUMNS; column++) {
            double cr = centre_r + (column - COLUMNS / 2) * step;
            double ci = centre_i + (ROWS / 2 - row) * step * 2; /* characters are twice as high as wide */
            int n = escape_time(cr, ci);
            uart_write(n == ITERATIONS ? '@' : shades[n % 13]);
        }
        print("\n");
    }
    return true;
}
