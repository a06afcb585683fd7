//! The memory of a tensor as a slice, for kernels that are not LibTorch's.

use tch::{Device, Kind, Tensor};

/// Whether the elements of `tensor` lie one after the other in the memory of this process.
fn is_plain(tensor: &Tensor, kind: Kind) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == kind && tensor.is_contiguous()
}

/// The numbers of a contiguous f32 tensor on the CPU; none of any other.
#[expect(unsafe_code, reason = "LibTorch owns the memory")]
pub fn of_f32(tensor: &Tensor) -> Option<&[f32]> {
    if !is_plain(tensor, Kind::Float) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: the tensor is f32, on the CPU and contiguous, so that `numel` initialised numbers
    // begin at `data_ptr`, and it keeps its storage alive for as long as it is borrowed. Tensors
    // of the same storage are written by the thread that owns them, which is this one (a `Tensor`
    // is not `Sync`); `Parameters::share` states the same rule for its readers.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`of_f32`], to be written.
#[expect(unsafe_code, reason = "LibTorch owns the memory")]
pub fn of_f32_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    if !is_plain(tensor, Kind::Float) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&mut []);
    }
    // SAFETY: as in `of_f32`; the exclusive borrow stands for the whole storage, of which a
    // caller hands out no other slice meanwhile.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`of_f32_mut`], of a bf16 tensor: each number is the upper half of an f32.
#[expect(unsafe_code, reason = "LibTorch owns the memory")]
pub fn of_bf16_mut(tensor: &mut Tensor) -> Option<&mut [u16]> {
    if !is_plain(tensor, Kind::BFloat16) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&mut []);
    }
    // SAFETY: as in `of_f32_mut`, with two bytes for each number, any of which are a `u16`.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`of_f32`], where nothing else can be.
///
/// # Panics
/// When it is not a contiguous f32 tensor on the CPU.
pub fn values(tensor: &Tensor) -> &[f32] {
    of_f32(tensor).expect("a contiguous f32 tensor on the CPU")
}

/// As [`values`], to be written.
///
/// # Panics
/// As [`values`].
pub fn values_mut(tensor: &mut Tensor) -> &mut [f32] {
    of_f32_mut(tensor).expect("a contiguous f32 tensor on the CPU")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_memory_is_handed_out() {
        let mut tensor = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]).view([2, 2]);
        assert_eq!(of_f32(&tensor), Some(&[1f32, 2.0, 3.0, 4.0][..]));
        assert!(of_f32(&tensor.transpose(0, 1)).is_none());
        assert!(of_f32(&tensor.to_kind(Kind::Double)).is_none());
        of_f32_mut(&mut tensor).unwrap()[3] = 5.0;
        assert_eq!(tensor.double_value(&[1, 1]), 5.0);
        let mut short = tensor.to_kind(Kind::BFloat16);
        assert_eq!(of_bf16_mut(&mut short).unwrap()[0], 0x3F80);
        assert!(of_bf16_mut(&mut tensor).is_none());
    }

    #[test]
    fn values_are_read_and_written_in_place() {
        let mut tensor = Tensor::from_slice(&[1f32, 2.0, 3.0]);
        values_mut(&mut tensor)[1] = 5.0;
        assert_eq!(values(&tensor), [1.0, 5.0, 3.0]);
        assert_eq!(tensor.double_value(&[1]), 5.0);
        assert!(values(&tensor.narrow(0, 0, 0)).is_empty());
    }

    #[test]
    #[should_panic(expected = "a contiguous f32 tensor")]
    fn another_type_is_refused() {
        values(&Tensor::from_slice(&[1i64]));
    }
}
