//! The values of a tensor as a slice, without a copy.

use tch::{Device, Kind, Tensor};

/// The values of `tensor`, for as long as it is borrowed.
///
/// # Panics
/// When it is not a contiguous f32 tensor on the CPU.
pub fn values(tensor: &Tensor) -> &[f32] {
    let count = checked_count(tensor);
    if count == 0 {
        return &[];
    }
    #[expect(unsafe_code, reason = "LibTorch's memory as a slice")]
    // SAFETY: a contiguous f32 tensor on the CPU is `count` aligned floats from its pointer
    // on. The borrow keeps the tensor, and with it its memory; another handle to the same
    // memory is not written to meanwhile, as LibTorch's own operations demand too.
    unsafe {
        std::slice::from_raw_parts(tensor.data_ptr().cast(), count)
    }
}

/// The values of `tensor`, to be changed, for as long as it is borrowed.
///
/// # Panics
/// As [`values`].
pub fn values_mut(tensor: &mut Tensor) -> &mut [f32] {
    let count = checked_count(tensor);
    if count == 0 {
        return &mut [];
    }
    #[expect(unsafe_code, reason = "LibTorch's memory as a slice")]
    // SAFETY: as in `values`; the borrow is exclusive, and other handles to the same memory
    // are not used meanwhile.
    unsafe {
        std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count)
    }
}

fn checked_count(tensor: &Tensor) -> usize {
    assert!(
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous(),
        "a contiguous f32 tensor on the CPU"
    );
    tensor.numel()
}

#[cfg(test)]
mod tests {
    use super::*;

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
