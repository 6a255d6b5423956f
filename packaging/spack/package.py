# SPDX-License-Identifier: BSD-3-Clause
from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Vcoll(CMakePackage):
    """MPI collectives for virtualized clusters, preloaded into Open MPI programs."""

    license("BSD-3-Clause")

    # There is no public archive to fetch: `spack develop --path SOURCE vcoll@main` in an environment builds a checkout.
    version("main")

    variant("tools", default=True, description="The vcoll command: run, info, bench, tune, report, doctor, sim")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("openmpi@4.1:")
    depends_on("hwloc@2:", when="+tools")
    depends_on("jansson")
    depends_on("libmnl")
    # Headers for the build; the library is opened at run time and found by the run path.
    depends_on("rdma-core")

    def cmake_args(self):
        return [
            self.define("VCOLL_BUILD_TESTS", False),
            self.define("VCOLL_WERROR", False),
            self.define_from_variant("VCOLL_BUILD_TOOLS", "tools"),
        ]
