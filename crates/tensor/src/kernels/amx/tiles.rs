//! The instructions: the shape of the tiles, and sums of their products.

/// Rows of a tile, and numbers of f32 in a row of one.
pub(super) const SIDE: usize = 16;
/// The most numbers of bfloat16 in a row of a left tile.
pub(super) const DEEP: usize = 32;
/// Bytes from a row of a packed tile to the next.
pub(super) const ROW: usize = 64;
/// Bytes of a packed tile.
pub(super) const TILE: usize = SIDE * ROW;

/// Two by two tiles of a sum of products, or fewer: `c += a[s] b[s]` over all steps s.
///
/// The places of the operands are in bytes. Step s has its left tiles at `a + steps[s][0]` and `a_next` behind, its right tiles
/// at `b + steps[s][1]` and `b_next` behind.
#[repr(C)]
pub(super) struct Sum {
    pub(super) a: *const u8,
    pub(super) b: *const u8,
    pub(super) a_row: usize,
    pub(super) b_row: usize,
    pub(super) a_next: usize,
    pub(super) steps: *const [isize; 2],
    pub(super) end: *const [isize; 2],
    /// Rows of numbers in f32: the first 16 columns belong to the first right tile.
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Where the second row of tiles begins.
    pub(super) c_next: *mut f32,
    /// 1 to add to what is there, 0 to begin from nothing.
    pub(super) add: usize,
    pub(super) b_next: isize,
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) use elsewhere::{Shaped, permitted, sum};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use here::{Shaped, permitted, sum};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod here {
    use super::{DEEP, ROW, SIDE, Sum};
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::marker::PhantomData;

    /// Asks processor and system.
    pub(in crate::kernels::amx) fn permitted() -> bool {
        const TILES: u32 = 1 << 24;
        const BF16: u32 = 1 << 22;
        const SAVED_BY_THE_SYSTEM: u64 = 0b11 << 17;
        if !is_x86_feature_detected!("avx512bw")
            || !is_x86_feature_detected!("avx512bf16")
            || !is_x86_feature_detected!("xsave")
        {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        if features & TILES == 0 || features & BF16 == 0 {
            return false;
        }
        let (low, high): (u32, u32);
        // SAFETY: the processor has xsave, and the system has switched it on, since AVX-512 needs it.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack)) };
        let saved = u64::from(high) << 32 | u64::from(low);
        saved & SAVED_BY_THE_SYSTEM == SAVED_BY_THE_SYSTEM && ask_for_tile_data()
    }

    /// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA)`: every thread of the process may use tiles from then on.
    fn ask_for_tile_data() -> bool {
        const ARCH_PRCTL: isize = 158;
        const REQUEST: usize = 0x1023;
        const TILE_DATA: usize = 18;
        let answer: isize;
        // SAFETY: the call takes two numbers and changes nothing but which instructions this process may use; the kernel
        // clobbers rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => answer,
                in("rdi") REQUEST,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack)
            );
        }
        answer == 0
    }

    /// The tiles of this thread have their shape as long as this lives; it stays on the thread.
    pub(in crate::kernels::amx) struct Shaped(PhantomData<*const ()>);

    impl Shaped {
        /// Left tiles of 16 rows of `deep` numbers (even, at most 32), right ones of as many halved rows.
        pub(in crate::kernels::amx) fn new(deep: usize) -> Self {
            assert!(super::super::available() && deep.is_multiple_of(2) && (2..=DEEP).contains(&deep));
            #[repr(C, align(64))]
            struct Config {
                palette: u8,
                start: u8,
                reserved: [u8; 14],
                row_bytes: [u16; 16],
                rows: [u8; 16],
            }
            let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
            row_bytes[..8].fill(ROW as u16);
            rows[..8].fill(SIDE as u8);
            row_bytes[4..6].fill(2 * deep as u16);
            rows[6..8].fill(deep as u8 / 2);
            let config = Config { palette: 1, start: 0, reserved: [0; 14], row_bytes, rows };
            // SAFETY: the process may use tiles, and the shapes are within what palette 1 has.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(readonly, nostack)) };
            Self(PhantomData)
        }
    }

    impl Drop for Shaped {
        fn drop(&mut self) {
            // SAFETY: there are tiles, since one of these was made.
            unsafe { asm!("tilerelease", options(nomem, nostack)) };
        }
    }

    /// # Safety
    /// Every tile that the steps name lies in memory that may be read, and M x N tiles at `c` and `c_next` in memory that is
    /// the caller's to write.
    pub(in crate::kernels::amx) unsafe fn sum<const M: usize, const N: usize>(_: &Shaped, sum: &Sum) {
        if std::ptr::eq(sum.steps, sum.end) {
            return;
        }
        macro_rules! tiles {
            ([$($load:literal)*] [$($product:literal)*] [$($store:literal)*]) => {
                // SAFETY: the caller's promise; no other code of this thread uses tiles.
                unsafe {
                    asm!(
                        "mov {c}, [{p} + 56]",
                        "mov {d}, [{p} + 72]",
                        "mov {row}, [{p} + 64]",
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "cmp qword ptr [{p} + 80], 0",
                        "je 3f",
                        $($load,)*
                        "3:",
                        "mov {a}, [{p}]",
                        "mov {b}, [{p} + 8]",
                        "mov {a_row}, [{p} + 16]",
                        "mov {b_row}, [{p} + 24]",
                        "mov {a_next}, [{p} + 32]",
                        "mov {step}, [{p} + 40]",
                        "2:",
                        $($product,)*
                        "add {step}, 16",
                        "cmp {step}, [{p} + 48]",
                        "jne 2b",
                        $($store,)*
                        p = in(reg) &raw const *sum,
                        a = out(reg) _,
                        b = out(reg) _,
                        a_row = out(reg) _,
                        b_row = out(reg) _,
                        a_next = out(reg) _,
                        step = out(reg) _,
                        t = out(reg) _,
                        c = out(reg) _,
                        d = out(reg) _,
                        row = out(reg) _,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack)
                    )
                }
            };
        }
        match (M, N) {
            (2, 2) => tiles!(
                [
                    "tileloadd tmm0, [{c} + {row}]"
                    "tileloadd tmm1, [{c} + {row} + 64]"
                    "tileloadd tmm2, [{d} + {row}]"
                    "tileloadd tmm3, [{d} + {row} + 64]"
                ] [
                    "mov {t}, [{step} + 8]"
                    "add {t}, {b}"
                    "tileloadd tmm6, [{t} + {b_row}]"
                    "add {t}, [{p} + 88]"
                    "tileloadd tmm7, [{t} + {b_row}]"
                    "mov {t}, [{step}]"
                    "add {t}, {a}"
                    "tileloadd tmm4, [{t} + {a_row}]"
                    "add {t}, {a_next}"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tileloadd tmm5, [{t} + {a_row}]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                ] [
                    "tilestored [{c} + {row}], tmm0"
                    "tilestored [{c} + {row} + 64], tmm1"
                    "tilestored [{d} + {row}], tmm2"
                    "tilestored [{d} + {row} + 64], tmm3"
                ]
            ),
            (2, 1) => tiles!(
                ["tileloadd tmm0, [{c} + {row}]" "tileloadd tmm2, [{d} + {row}]"] [
                    "mov {t}, [{step} + 8]"
                    "add {t}, {b}"
                    "tileloadd tmm6, [{t} + {b_row}]"
                    "mov {t}, [{step}]"
                    "add {t}, {a}"
                    "tileloadd tmm4, [{t} + {a_row}]"
                    "add {t}, {a_next}"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm5, [{t} + {a_row}]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                ] ["tilestored [{c} + {row}], tmm0" "tilestored [{d} + {row}], tmm2"]
            ),
            (1, 2) => tiles!(
                ["tileloadd tmm0, [{c} + {row}]" "tileloadd tmm1, [{c} + {row} + 64]"] [
                    "mov {t}, [{step} + 8]"
                    "add {t}, {b}"
                    "tileloadd tmm6, [{t} + {b_row}]"
                    "add {t}, [{p} + 88]"
                    "tileloadd tmm7, [{t} + {b_row}]"
                    "mov {t}, [{step}]"
                    "add {t}, {a}"
                    "tileloadd tmm4, [{t} + {a_row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                ] ["tilestored [{c} + {row}], tmm0" "tilestored [{c} + {row} + 64], tmm1"]
            ),
            (1, 1) => tiles!(
                ["tileloadd tmm0, [{c} + {row}]"] [
                    "mov {t}, [{step} + 8]"
                    "add {t}, {b}"
                    "tileloadd tmm6, [{t} + {b_row}]"
                    "mov {t}, [{step}]"
                    "add {t}, {a}"
                    "tileloadd tmm4, [{t} + {a_row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                ] ["tilestored [{c} + {row}], tmm0"]
            ),
            _ => unreachable!("at most two by two tiles are summed at once"),
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod elsewhere {
    use super::Sum;

    pub(in crate::kernels::amx) fn permitted() -> bool {
        false
    }

    /// There are no tiles here, and never one of these.
    pub(in crate::kernels::amx) struct Shaped(());

    impl Shaped {
        pub(in crate::kernels::amx) fn new(_: usize) -> Self {
            unreachable!("there are no tiles on this processor")
        }
    }

    /// # Safety
    /// Nothing is done.
    pub(in crate::kernels::amx) unsafe fn sum<const M: usize, const N: usize>(_: &Shaped, _: &Sum) {}
}

/// [`sum`] of `down` by `across` tiles, one or two each.
///
/// # Safety
/// As for [`sum`].
pub(super) unsafe fn sum_of(shaped: &Shaped, (down, across): (usize, usize), it: &Sum) {
    // SAFETY: the caller's promise.
    unsafe {
        match (down > 1, across > 1) {
            (true, true) => sum::<2, 2>(shaped, it),
            (true, false) => sum::<2, 1>(shaped, it),
            (false, true) => sum::<1, 2>(shaped, it),
            (false, false) => sum::<1, 1>(shaped, it),
        }
    }
}
