# antiphon_embed(OUT BASE FILES): writes a C file with each of FILES as bytes, named relative to BASE.
# The table it defines is declared in core/base/embed.h.
function(antiphon_embed out base files)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DBASE=${base} "-DFILES=${files}"
            -P ${CMAKE_SOURCE_DIR}/tools/cmake/embed_files.cmake
        DEPENDS ${files} ${CMAKE_SOURCE_DIR}/tools/cmake/embed_files.cmake VERBATIM)
endfunction()
