// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Testing

@Suite struct RandomResizedCropTests {
    private func windows(_ height: Int, _ width: Int, count: Int, smallestArea: Double = 0.08) -> [PixelWindow] {
        (0..<count).map {
            Augmentation(smallestArea: smallestArea).window(seed: 5, epoch: 2, image: $0, height: height, width: width).window
        }
    }

    /// Mean area and |log ratio| of N = 20,000 crops of 224×224, seed 5, against 150,000 draws of torchvision 0.29.2's own
    /// `RandomResizedCrop.get_params` (torch.manual_seed(0)): 0.47995 and 0.13592, standard deviations 0.2345 and 0.0827. Six
    /// standard errors of the difference: 0.0106 and 0.0037, error level 2e-9 each.
    @Test func areaAndRatio() {
        let crops = windows(224, 224, count: 20_000)
        #expect(crops.allSatisfy { $0.row >= 0 && $0.column >= 0 && $0.row + $0.height <= 224 && $0.column + $0.width <= 224 })
        let area = crops.reduce(0) { $0 + Double($1.height * $1.width) } / (20_000 * 224 * 224)
        let ratio = crops.reduce(0) { $0 + abs(log(Double($1.width) / Double($1.height))) } / 20_000
        #expect(abs(area - 0.47995) < 0.0106, "\(area)")
        #expect(abs(ratio - 0.13592) < 0.0037, "\(ratio)")
        #expect(crops.allSatisfy { (0.74...1.35).contains(Double($0.width) / Double($0.height)) })
    }

    /// Where ten tries fail, the largest central window with a ratio of 3/4 to 4/3.
    @Test func fallback() {
        #expect(windows(10, 400, count: 50, smallestArea: 1).allSatisfy { $0 == PixelWindow(row: 0, column: 193, height: 10, width: 13) })
        #expect(windows(400, 10, count: 50, smallestArea: 1).allSatisfy { $0 == PixelWindow(row: 193, column: 0, height: 13, width: 10) })
    }

    @Test func functionOfSeedEpochAndImage() {
        func draw(_ seed: UInt64, _ epoch: Int) -> [PixelWindow] {
            (0..<100).map { Augmentation(smallestArea: 0.08).window(seed: seed, epoch: epoch, image: $0, height: 224, width: 300).window }
        }
        #expect(draw(1, 0) == draw(1, 0))
        #expect(draw(1, 0) != draw(2, 0) && draw(1, 0) != draw(1, 1) && Set(draw(1, 0).map(\.row)).count > 20)
        // N = 10,000 fair flips: 50 is one standard deviation, six of them the bound (error level 2e-9).
        let flips = (0..<10_000).count {
            Augmentation(smallestArea: 0.08).window(seed: 5, epoch: 0, image: $0, height: 9, width: 9).isFlipped
        }
        #expect(abs(flips - 5000) < 300)
    }

    /// ImageNet's 256 for 224; torchvision's rounding of the long side and of the crop's place.
    @Test func centerCrop() {
        #expect(CenterCrop(crop: 224).resize == 256 && CenterCrop(crop: 128).resize == 146 && CenterCrop(crop: 160).resize == 183)
        #expect(CenterCrop(crop: 224).resized(height: 375, width: 500) == (256, 341))
        #expect(CenterCrop(crop: 224).resized(height: 500, width: 375) == (341, 256))
        #expect(CenterCrop(crop: 224).start(341) == 58 && CenterCrop(crop: 224).start(227) == 2 && CenterCrop(crop: 224).start(225) == 0)
    }
}
