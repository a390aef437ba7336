//! The fuzzers' corpus, replayed: what was found once stays mended. The entries are those of the fuzz
//! targets.

use std::path::PathBuf;

#[path = "../../../fuzz/entries.rs"]
mod entries;

/// What a target does with one file.
type Entry = fn(&[u8]);

/// Most files of one corpus: it is kept small with `cargo fuzz cmin`.
const MOST: usize = 100;

#[test]
fn every_file_of_the_fuzzers_corpus_is_read_without_harm() {
    let targets: [(&str, Entry); 3] = [
        ("cmpp_decode", entries::cmpp_decode),
        ("smpp_decode", entries::smpp_decode),
        ("smpp_receipt", entries::smpp_receipt),
    ];
    for (target, entry) in targets {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!((10..MOST).contains(&files.len()), "{target}: {} files", files.len());
        for file in files {
            let octets = std::fs::read(&file).unwrap();
            let read = std::panic::catch_unwind(|| entry(&octets));
            assert!(read.is_ok(), "{}", file.display());
        }
    }
}
