//! Where everything goes on the picture.

/// The panels show the image either block by block or magnified, never in between: every shown pixel is then a plain
/// mean of pixels or one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layout {
    /// Image pixels per shown pixel and axis.
    pub block: usize,
    /// Shown pixels are squares of so many picture pixels.
    pub magnify: usize,
    /// Size of a panel.
    pub panel: (usize, usize),
    /// Left edges of the panels.
    pub lefts: [usize; 3],
    /// Upper edge of the panels.
    pub top: usize,
    /// Size of the picture.
    pub size: (usize, usize),
    /// Height of letters.
    pub font: usize,
    /// Lines of notes below the panels.
    pub note_lines: usize,
}

/// A panel is at most so many times as high as it is wide: a long strip of sky is shown smaller instead.
const TALLEST: f64 = 1.6;

impl Layout {
    pub(super) fn new(width: usize, height: usize, width_px: usize, has_title: bool, note_lines: usize) -> Self {
        let font = (width_px / 110).max(9);
        let (left, gap, right) = (font * 4, font, font);
        let cell = (width_px - left - right - 2 * gap) / 3;
        let tallest = (cell as f64 * TALLEST) as usize;
        let (width, height) = (width.max(1), height.max(1));
        let block = width.div_ceil(cell).max(height.div_ceil(tallest));
        let shown = (width.div_ceil(block), height.div_ceil(block));
        let magnify = if block == 1 { (cell / shown.0).min(tallest / shown.1).max(1) } else { 1 };
        let panel = (shown.0 * magnify, shown.1 * magnify);
        // Titles need room also above a narrow panel.
        let pitch = panel.0.max(cell.min(18 * font)) + gap;
        let top = font * if has_title { 4 } else { 2 };
        let below = font * 4 + font * 2 + note_lines * line_height(font) + font / 2;
        Self {
            block,
            magnify,
            panel,
            lefts: [left, left + pitch, left + 2 * pitch],
            top,
            size: (left + 3 * pitch - gap + right, top + panel.1 + below),
            font,
            note_lines,
        }
    }

    /// Picture pixels per image pixel.
    pub(super) fn scale(&self) -> f64 {
        self.magnify as f64 / self.block as f64
    }

    /// Place of image coordinates in a panel; `y` increases upwards.
    pub(super) fn place(&self, panel: usize, x: f64, y: f64) -> (f64, f64) {
        let bottom = (self.top + self.panel.1) as f64;
        (self.lefts[panel] as f64 + (x + 0.5) * self.scale(), bottom - (y + 0.5) * self.scale())
    }

    /// Ticks that have room along a panel.
    pub(super) fn most_ticks(&self) -> (usize, usize) {
        let most = |length: usize| (length / (3 * self.font)).min(6);
        (most(self.panel.0), most(self.panel.1))
    }

    /// Upper edge of the colour bar.
    pub(super) fn bar_top(&self) -> usize {
        self.top + self.panel.1 + 3 * self.font + self.font / 2
    }

    /// Upper edge of the notes.
    pub(super) fn notes_top(&self) -> usize {
        self.bar_top() + 2 * self.font
    }
}

pub(super) fn line_height(font: usize) -> usize {
    font + font / 2
}

/// Round numbers along an axis of `size` pixels: multiples of 1, 2 or 5 times a power of ten, at most `most` of them.
pub(super) fn ticks(size: usize, most: usize) -> Vec<usize> {
    let mut decade = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = decade * factor;
            if size.div_ceil(step) <= most.max(1) {
                return (0..size).step_by(step).collect();
            }
        }
        decade *= 10;
    }
}
