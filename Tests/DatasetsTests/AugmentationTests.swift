// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Testing

/// Pads with raw black, crops, flips and normalises, one step after the other.
func reference(_ split: ImageSplit, image: Int, _ placement: Placement, padding: Int) -> [Float] {
    let (height, width, channels) = (split.height, split.width, split.channels)
    let padded = (0..<height + 2 * padding).map { y in
        (0..<width + 2 * padding).map { x in
            (0..<channels).map { c -> UInt8 in
                let (row, column) = (y - padding, x - padding)
                guard (0..<height).contains(row), (0..<width).contains(column) else { return 0 }
                return split.images[image * split.imageSize + (row * width + column) * channels + c]
            }
        }
    }
    return (0..<height).flatMap { y -> [Float] in
        let row = padded[y + placement.row + padding]
        let crop = Array(row[placement.column + padding..<placement.column + padding + width])
        return (placement.isFlipped ? crop.reversed() : crop).flatMap { pixel in
            pixel.indices.map { c in (Float(pixel[c]) / 255 - split.normalization.mean[c]) / split.normalization.std[c] }
        }
    }
}

@Suite struct AugmentationTests {
    /// PyTorch 2 on the CPU: `torch.tensor(x, dtype=uint8).float().div(255).sub_(mean).div_(std)`, as torchvision's
    /// ToTensor and Normalize compute it, for x = 0, 1, 127, 200, 255; the bits of the f32 results.
    @Test func tableAgreesWithTorchvisionBitForBit() {
        let bits: [[UInt32]] = [
            [0xc01b_75d0, 0xc01a_3836, 0x3d06_6cd9, 0x3fb9_555e, 0x4020_e6d1],
            [0xc01a_c4b0, 0xc019_8277, 0x3da2_ae81, 0x3fc1_ef42, 0x4026_31d0],
            [0xc00e_2b4e, 0xc00c_eba5, 0x3e83_48b2, 0x3fd7_200a, 0x4030_3d22]
        ]
        let table = CIFAR10.normalization.table
        for channel in 0..<3 {
            #expect([0, 1, 127, 200, 255].map { table[256 * channel + $0].bitPattern } == bits[channel])
        }
        let gray: [UInt32] = [0xbf4f_6d0d, 0xbf4c_950c, 0x3f19_bbc6, 0x3fb4_aa20, 0x4001_6f27]
        #expect([0, 1, 127, 200, 255].map { FashionMNIST.normalization.table[$0].bitPattern } == gray)
    }

    /// f32 normalisation loses nothing of a byte: neighbours are 1/255/std apart, some 10⁵ roundings.
    @Test(arguments: [CIFAR10.normalization, FashionMNIST.normalization, ImageNet.normalization])
    func bytesComeBackFromNormalizedPixels(_ normalization: PixelNormalization) {
        let (table, channels) = (normalization.table, normalization.mean.count)
        let values = (0..<256).flatMap { byte in (0..<channels).map { table[256 * $0 + byte] } }
        #expect(values.withUnsafeBufferPointer(normalization.bytes) == (0..<256).flatMap { Array(repeating: UInt8($0), count: channels) })
    }

    /// Chi-square over the 81 offsets and the flip, 162 cells of expectation 500; seed 5, N = 81 000; the bound is
    /// GSL's `gsl_cdf_chisq_Qinv(1e-6, 161)`.
    @Test func placementsAreUniform() {
        var counts = [Int](repeating: 0, count: 162)
        for image in 0..<81_000 {
            let placement = Augmentation().placement(seed: 5, epoch: 3, image: image)
            counts[((placement.row + 4) * 9 + placement.column + 4) * 2 + (placement.isFlipped ? 1 : 0)] += 1
        }
        #expect(counts.reduce(0.0) { $0 + pow(Double($1) - 500, 2) / 500 } < 261.105)
    }

    /// N = 16 200 images whose placements agree with probability 1/162: mean 100, standard deviation 10; six of
    /// them on either side (error level 2e-9). Seed 5.
    @Test func epochsAndSeedsDrawAnew() {
        func placements(seed: UInt64, epoch: Int) -> [Placement] {
            (0..<16_200).map { Augmentation().placement(seed: seed, epoch: epoch, image: $0) }
        }
        let first = placements(seed: 5, epoch: 0)
        #expect(first == placements(seed: 5, epoch: 0))
        for other in [placements(seed: 5, epoch: 1), placements(seed: 6, epoch: 0)] {
            #expect((40...160).contains(zip(first, other).count { $0 == $1 }))
        }
    }

    /// Chi-square over the 24 orders of four images, expectation 1000 each; seed 11, epochs 0 to 23 999; the bound
    /// is GSL's `gsl_cdf_chisq_Qinv(1e-6, 23)`.
    @Test func shufflesAreUniform() {
        var counts: [[Int32]: Int] = [:]
        for epoch in 0..<24_000 { counts[shuffledOrder(count: 4, seed: 11, epoch: epoch), default: 0] += 1 }
        #expect(counts.count == 24)
        #expect(counts.values.reduce(0.0) { $0 + pow(Double($1) - 1000, 2) / 1000 } < 70.550)
    }

    @Test func shuffleIsAPermutation() {
        for count in [0, 1, 2, 50_000] {
            #expect(shuffledOrder(count: count, seed: 1, epoch: 2).sorted() == Array(0..<Int32(count)))
        }
    }
}
