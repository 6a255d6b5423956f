! SPDX-License-Identifier: BSD-3-Clause
! Fixed-form Fortran with mpif.h: the six collectives, ten times each.
      program door_mpifh
      implicit none
      include 'mpif.h'
      integer err, me, n, i, x, s, root
      integer blk(64), all(64)
      double precision d, m
      call MPI_INIT(err)
      call MPI_COMM_RANK(MPI_COMM_WORLD, me, err)
      call MPI_COMM_SIZE(MPI_COMM_WORLD, n, err)
      do i = 1, 10
        call MPI_BARRIER(MPI_COMM_WORLD, err)
        x = me + i
        call MPI_ALLREDUCE(x, s, 1, MPI_INTEGER, MPI_SUM,
     &                     MPI_COMM_WORLD, err)
        if (s .ne. n * (n - 1) / 2 + n * i) call bad(1)
        call MPI_ALLREDUCE(MPI_IN_PLACE, x, 1, MPI_INTEGER, MPI_MAX,
     &                     MPI_COMM_WORLD, err)
        if (x .ne. n - 1 + i) call bad(2)
        d = dble(me)
        root = mod(i, n)
        call MPI_REDUCE(d, m, 1, MPI_DOUBLE_PRECISION, MPI_SUM, root,
     &                  MPI_COMM_WORLD, err)
        if (me .eq. root .and. m .ne. dble(n * (n - 1) / 2)) call bad(3)
        x = me
        call MPI_BCAST(x, 1, MPI_INTEGER, root, MPI_COMM_WORLD, err)
        if (x .ne. root) call bad(4)
        x = me * i
        call MPI_ALLGATHER(x, 1, MPI_INTEGER, all, 1, MPI_INTEGER,
     &                     MPI_COMM_WORLD, err)
        if (all(n) .ne. (n - 1) * i) call bad(5)
        blk(1:n) = me
        call MPI_ALLTOALL(blk, 1, MPI_INTEGER, all, 1, MPI_INTEGER,
     &                    MPI_COMM_WORLD, err)
        if (all(n) .ne. n - 1) call bad(6)
      end do
      call MPI_FINALIZE(err)
      end

      subroutine bad(where)
      implicit none
      include 'mpif.h'
      integer where, err
      print *, 'wrong result in check', where
      call MPI_ABORT(MPI_COMM_WORLD, 1, err)
      end
