//! A disk that is a file its user chose or dropped on the page. Read in place, piece by piece, which only a worker may
//! do; never written: put an [`super::Overlay`] over it.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Blob, FileReaderSync};

use super::{BlockBackend, BlockError, check_range};

/// Bytes fetched at a time: a call into the browser costs far more than the copy.
const WINDOW: u64 = 256 << 10;

/// A file of the page's user as a read-only disk.
#[derive(Debug)]
pub struct BrowserFile {
    file: Blob,
    reader: FileReaderSync,
    len: u64,
    /// Where in the file `window` comes from.
    window_start: u64,
    window: Vec<u8>,
}

impl BrowserFile {
    /// Opens `file`. Fails outside a worker.
    pub fn new(file: Blob) -> Result<Self, BlockError> {
        let reader = FileReaderSync::new().map_err(|error| host_error(&error))?;
        // Sizes are exact below 2^53 bytes.
        let len = file.size() as u64;
        Ok(Self {
            file,
            reader,
            len,
            window_start: 0,
            window: Vec::new(),
        })
    }

    fn fetch(&mut self, start: u64) -> Result<(), BlockError> {
        let end = self.len.min(start + WINDOW);
        self.window.clear();
        let bytes = self
            .file
            .slice_with_f64_and_f64(start as f64, end as f64)
            .and_then(|blob| self.reader.read_as_array_buffer(&blob))
            .map_err(|error| host_error(&error))?;
        let bytes = Uint8Array::new(&bytes);
        if u64::from(bytes.length()) != end - start {
            return Err(BlockError::Host(
                "the browser returned fewer bytes than the file has".into(),
            ));
        }
        self.window = bytes.to_vec();
        self.window_start = start;
        Ok(())
    }
}

fn host_error(error: &JsValue) -> BlockError {
    BlockError::Host(format!("the browser cannot read the file: {error:?}"))
}

impl BlockBackend for BrowserFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_only(&self) -> bool {
        true
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.len, offset, into.len() as u64)?;
        let mut done = 0;
        while done < into.len() {
            let position = offset + done as u64;
            let window = self.window_start..self.window_start + self.window.len() as u64;
            if !window.contains(&position) {
                self.fetch(position - position % WINDOW)?;
            }
            let from = &self.window[(position - self.window_start) as usize..];
            let now = from.len().min(into.len() - done);
            into[done..done + now].copy_from_slice(&from[..now]);
            done += now;
        }
        Ok(())
    }

    fn write_at(&mut self, _offset: u64, _from: &[u8]) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, _offset: u64, _len: u64) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn write_zeroes(&mut self, _offset: u64, _len: u64, _may_unmap: bool) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }
}
