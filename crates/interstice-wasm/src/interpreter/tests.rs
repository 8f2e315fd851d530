//! Instructions give the same bits by the interpreter and by the compiler, however much that optimises.

use super::*;
use crate::configuration::{Images, configuration};
use crate::instance::Live;
use crate::runtime::Runtime;
use wasmtime::OptLevel;

/// Bits of 64-bit floats: NaNs of each kind and sign, and numbers at which functions turn.
const FLOATS_64: [u64; 24] = [
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff8_0000_0000_1234,
    0xffff_ffff_ffff_ffff,
    0x7ff0_0000_0000_0001,
    0xfff4_0000_dead_beef,
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x0000_0000_0000_0001,
    0x800f_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0xbff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    0x4330_0000_0000_0001,
    0x432f_ffff_ffff_ffff,
    0x41e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x43f0_0000_0000_0000,
    0x36a0_0000_0000_0001,
];

/// The same of 32-bit ones.
const FLOATS_32: [u32; 20] = [
    0x7fc0_0000,
    0xffc0_0000,
    0x7fc0_1234,
    0xffff_ffff,
    0x7f80_0001,
    0xffa0_beef,
    0x0000_0000,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7f7f_ffff,
    0x0000_0001,
    0x807f_ffff,
    0x3f00_0000,
    0xbfc0_0000,
    0x4020_0000,
    0x4b00_0001,
    0xdf00_0000,
];

/// Where the operands begin.
const OPERANDS: usize = 65_536;
/// Where the answer is put.
const ANSWER: usize = 2_048;

/// Instructions of one family that take one value of a type, or two, and give one.
struct Instructions {
    operand: &'static str,
    count: usize,
    family: &'static str,
    result: &'static str,
    names: &'static str,
}

/// Of the family that is named as the type that it gives.
const fn of(operand: &'static str, count: usize, result: &'static str, names: &'static str) -> Instructions {
    Instructions { operand, count, family: result, result, names }
}

/// Of the family of the operands: whether something is so.
const fn tests(operand: &'static str, count: usize, names: &'static str) -> Instructions {
    Instructions { operand, count, family: operand, result: "i32", names }
}

/// Instructions that come to a number: all of floats and of vectors of them, and of whole numbers those that cannot trap, with most of their
/// vectors.
const INSTRUCTIONS: &[Instructions] = &[
    of("f64", 2, "f64", "add sub mul div min max copysign"),
    of("f64", 1, "f64", "abs neg ceil floor trunc nearest sqrt"),
    tests("f64", 2, "eq ne lt gt le ge"),
    of("f64", 1, "f32", "demote_f64"),
    of("f64", 1, "i64", "reinterpret_f64 trunc_sat_f64_s trunc_sat_f64_u"),
    of("f64", 1, "i32", "trunc_sat_f64_s trunc_sat_f64_u"),
    of("f32", 2, "f32", "add sub mul div min max copysign"),
    of("f32", 1, "f32", "abs neg ceil floor trunc nearest sqrt"),
    tests("f32", 2, "eq ne lt gt le ge"),
    of("f32", 1, "f64", "promote_f32"),
    of("f32", 1, "i64", "trunc_sat_f32_s trunc_sat_f32_u"),
    of("f32", 1, "i32", "reinterpret_f32 trunc_sat_f32_s trunc_sat_f32_u"),
    of("i64", 2, "i64", "add sub mul and or xor shl shr_s shr_u rotl rotr"),
    of("i64", 1, "i64", "clz ctz popcnt extend8_s extend16_s extend32_s"),
    tests("i64", 2, "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"),
    of("i64", 1, "i32", "wrap_i64"),
    tests("i64", 1, "eqz"),
    of("i64", 1, "f64", "convert_i64_s convert_i64_u reinterpret_i64"),
    of("i64", 1, "f32", "convert_i64_s convert_i64_u"),
    of(
        "i32",
        2,
        "i32",
        "add sub mul and or xor shl shr_s shr_u rotl rotr eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u",
    ),
    of("i32", 1, "i32", "clz ctz popcnt extend8_s extend16_s eqz"),
    of("i32", 1, "i64", "extend_i32_s extend_i32_u"),
    of("i32", 1, "f64", "convert_i32_s convert_i32_u"),
    of("i32", 1, "f32", "convert_i32_s convert_i32_u reinterpret_i32"),
    of("v128", 2, "f64x2", "add sub mul div min max pmin pmax eq ne lt gt le ge"),
    of(
        "v128",
        1,
        "f64x2",
        "abs neg ceil floor trunc nearest sqrt promote_low_f32x4 convert_low_i32x4_s convert_low_i32x4_u",
    ),
    of("v128", 2, "f32x4", "add sub mul div min max pmin pmax eq ne lt gt le ge"),
    of("v128", 1, "f32x4", "abs neg ceil floor trunc nearest sqrt demote_f64x2_zero convert_i32x4_s convert_i32x4_u"),
    of("v128", 1, "i32x4", "abs neg trunc_sat_f32x4_s trunc_sat_f32x4_u trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero"),
    of("v128", 1, "i32x4", "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u extend_low_i16x8_s extend_high_i16x8_u"),
    of(
        "v128",
        2,
        "i32x4",
        "add sub mul min_s min_u max_s max_u dot_i16x8_s extmul_low_i16x8_s extmul_high_i16x8_u eq lt_s gt_u",
    ),
    of("v128", 2, "i64x2", "add sub mul extmul_low_i32x4_s extmul_high_i32x4_u eq ne lt_s gt_s le_s ge_s"),
    of("v128", 1, "i64x2", "abs neg extend_low_i32x4_s extend_high_i32x4_u"),
    of(
        "v128",
        2,
        "i16x8",
        "add sub mul add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u avgr_u q15mulr_sat_s",
    ),
    of("v128", 2, "i16x8", "narrow_i32x4_s narrow_i32x4_u extmul_low_i8x16_s extmul_high_i8x16_u eq lt_s gt_u"),
    of(
        "v128",
        1,
        "i16x8",
        "abs neg extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u extend_low_i8x16_s extend_high_i8x16_u",
    ),
    of("v128", 2, "i8x16", "add sub add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u avgr_u swizzle"),
    of("v128", 2, "i8x16", "narrow_i16x8_s narrow_i16x8_u eq lt_s gt_u"),
    of("v128", 1, "i8x16", "abs neg popcnt"),
    of("v128", 2, "v128", "and or xor andnot"),
    of("v128", 1, "v128", "not"),
];

/// Operands of a type, one every 16 bytes, the next ones behind it.
fn operands(ty: &str) -> Vec<u8> {
    let wide = FLOATS_64.iter().zip(FLOATS_64.iter().cycle().skip(5));
    let wide = wide.flat_map(|(low, high)| [low.to_le_bytes(), high.to_le_bytes()].concat());
    let lanes = |first: usize| (0..4).flat_map(move |lane| FLOATS_32[(first + 3 * lane) % 20].to_le_bytes());
    match ty {
        "f64" | "i64" => wide.collect(),
        "f32" | "i32" => (0..FLOATS_32.len()).flat_map(lanes).collect(),
        _ => wide.chain((0..FLOATS_32.len()).flat_map(lanes)).collect(),
    }
}

/// A module that runs an instruction on all operands, and on all pairs of them if it takes two, and puts there a hash of what that gave.
fn runs(instructions: &Instructions, name: &str) -> Vec<u8> {
    let Instructions { operand: ty, count, family, result, .. } = instructions;
    let bytes = operands(ty);
    let end = OPERANDS + bytes.len();
    let data = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<Vec<_>>().concat();
    let given = ["$a", "$b"][..*count].iter().map(|place| format!("({ty}.load (local.get {place}))"));
    let value = format!("({family}.{name} {})", given.collect::<String>());
    let folds = match *result {
        "i64" => vec![value],
        "i32" => vec![format!("(i64.extend_i32_u {value})")],
        "f64" => vec![format!("(i64.reinterpret_f64 {value})")],
        "f32" => vec![format!("(i64.extend_i32_u (i32.reinterpret_f32 {value}))")],
        _ => (0..2).map(|lane| format!("(i64x2.extract_lane {lane} {value})")).collect(),
    };
    let fold = |value: &String| {
        format!(
            "(local.set $hash (i64.mul (i64.xor (i64.rotl (local.get $hash) (i64.const 7)) {value}) (i64.const 0x9e3779b97f4a7c15)))"
        )
    };
    let folds = folds.iter().map(fold).collect::<String>();
    let next = |place: &str| {
        format!("(local.tee {place} (i32.add (local.get {place}) (i32.const 16))) (i32.const {end}) i32.lt_u")
    };
    let (next_a, next_b) = (next("$a"), next("$b"));
    let inner = match count {
        1 => folds,
        _ => format!("(local.set $b (i32.const {OPERANDS})) (loop $second {folds} {next_b} br_if $second)"),
    };
    let text = format!(
        r#"(module
        (memory (export "memory") 2 2)
        (data (i32.const {OPERANDS}) "{data}")
        (func (export "interstice_init"))
        (func (export "interstice_alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "interstice_describe") (result i64) (i64.const 0))
        (func (export "interstice_call") (param i32 i32 i32) (result i32) (local $a i32) (local $b i32) (local $hash i64)
          (local.set $a (i32.const {OPERANDS}))
          (loop $first {inner} {next_a} br_if $first)
          (i64.store (i32.const {ANSWER}) (local.get $hash))
          (i32.const 0)))"#
    );
    wat::parse_str(text).unwrap()
}

/// What a module puts there.
fn answer<I: Instance>(factory: &Factory<I>) -> [u8; 8] {
    let mut live = Live::<I>::new(&factory.code, None).unwrap();
    live.instance.call(0, (0, 0)).unwrap();
    live.instance.memory()[ANSWER..][..8].try_into().unwrap()
}

#[test]
fn every_instruction_gives_the_same_bits_interpreted_and_compiled_nans_too() {
    let runtime = |level| {
        let mut config = configuration(Images::Copied);
        config.cranelift_opt_level(level);
        Runtime::of_engine(wasmtime::Engine::new(&config).unwrap()).unwrap()
    };
    let levels = [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize];
    let (compilers, interpreter) = (levels.map(runtime), Interpreter::new().unwrap());
    let mut seen = 0;
    for instructions in INSTRUCTIONS {
        for name in instructions.names.split(' ') {
            let wasm = runs(instructions, name);
            let interpreted = answer(&interpreter.code(&wasm).unwrap().1);
            for (compiler, level) in compilers.iter().zip(levels) {
                let compiled = answer(&compiler.compile(&wasm).unwrap().1);
                assert_eq!(compiled, interpreted, "{}.{name} at {level:?}", instructions.family);
            }
            seen += 1;
        }
    }
    assert!(seen > 250, "{seen}");
}
